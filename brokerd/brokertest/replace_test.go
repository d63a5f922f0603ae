package brokertest_test

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestReplaceNode goes through what docs/operating/cluster.md says of replacing a node, under load: it is stopped, an empty one of its name takes its place,
// fetches all copies, is handed its part of the leaders, and bears the loss of another one.
func TestReplaceNode(t *testing.T) {
	c := brokertest.Cluster(t, 3)
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 6, Shards: 6})
	if err != nil {
		t.Fatal(err)
	}
	const replaced, name, lost = 1, "node-2", 2
	w := newTold()
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() { w.write(ctx, c.Client(0), topic, i) })
	}
	w.await(t, 200)
	c.Stop(replaced)
	w.await(t, 50)
	c.Wipe(replaced)
	began := time.Now()
	c.Start()
	t.Logf("the new node was ready after %v", time.Since(began))
	describe := func() commitlog.Topic {
		now, err := c.Client(0).Topic(t.Context(), topic.Name)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	eventually(t, 60*time.Second, "the new node has all copies", func() bool {
		return !slices.ContainsFunc(describe().Partitions, func(p commitlog.PartitionInfo) bool {
			return !slices.ContainsFunc(p.Replicas, func(r commitlog.ReplicaInfo) bool { return r.Node == name && r.Alive && r.InSync })
		})
	})
	t.Logf("it had all copies after %v", time.Since(began))
	eventually(t, 90*time.Second, "each node leads a shard at least, the new one too", func() bool {
		leads := map[string]int{}
		for _, p := range describe().Partitions {
			leads[p.Leader]++
		}
		return leads[name] > 0 && len(leads) == 3
	})
	t.Logf("it led its part after %v", time.Since(began))
	w.await(t, 50)
	stop()
	group.Wait()
	if len(w.failures) > 0 {
		t.Errorf("appends failed: %v", w.failures)
	}

	c.Stop(lost) // what is acknowledged from here on, the new node has stored
	again := newTold()
	ctx, stop = context.WithCancel(t.Context())
	group.Go(func() { again.write(ctx, c.Client(replaced), topic, 100) })
	again.await(t, 50)
	stop()
	group.Wait()
	maps.Copy(w.stored, again.stored)
	maps.Copy(w.indefinite, again.indefinite)
	maps.Copy(w.refused, again.refused)
	w.check(t, c.Client(replaced), topic)
}
