package brokertest_test

import (
	"context"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// eventually waits until something holds that no event tells.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// TestLeadersSpread stops a node, so that the others lead all shards, and starts it again: it is handed its part, and no append fails meanwhile.
func TestLeadersSpread(t *testing.T) {
	c := brokertest.Cluster(t, 3)
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 6, Shards: 6})
	if err != nil {
		t.Fatal(err)
	}
	leads := func() map[string]int {
		now, err := c.Client(0).Topic(t.Context(), topic.Name)
		if err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, p := range now.Partitions {
			if p.State == commitlog.Serving {
				count[p.Leader]++
			}
		}
		return count
	}
	w := newTold()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.write(ctx, c.Client(0), topic, 0)
	}()
	c.Stop(2)
	eventually(t, 20*time.Second, "two nodes lead all shards", func() bool { n := leads(); return n["node-1"]+n["node-2"] == 6 })
	c.Start()
	eventually(t, 90*time.Second, "each node leads one shard at least", func() bool { n := leads(); return n["node-1"] > 0 && n["node-2"] > 0 && n["node-3"] > 0 })
	t.Logf("spread: %v", leads())
	stop()
	<-done
	if len(w.failures) > 0 {
		t.Errorf("appends failed: %v", w.failures)
	}
	w.check(t, c.Client(1), topic)
}
