package brokertest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestTopicsWhileNodesStop makes and deletes topics, each of a name that nobody else uses, while nodes are stopped and started: whoever has to ask again
// is not told that its own topic stands in its way, or is gone.
func TestTopicsWhileNodesStop(t *testing.T) {
	if rounds(0, 1) == 0 {
		t.Skip("NOT EXERCISED: it takes minutes: set STRAND_TORTURE")
	}
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "first", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var made, unavailable atomic.Int64
	var group sync.WaitGroup
	for i := range 3 {
		own, err := commitlog.Config{ReadTimeout: time.Minute}.Dial(t.Context(), c.URLs())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = own.Close() }()
		group.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				topic, err := own.CreateTopic(t.Context(), commitlog.TopicConfig{Name: fmt.Sprintf("own-%d-%d", i, n), Partitions: 1, Shards: 1})
				if errors.Is(err, commitlog.ErrUnavailable) { // three copies need three nodes: the next one has a name of its own, too
					unavailable.Add(1)
					continue
				}
				if err != nil {
					t.Errorf("creating topic %d: %v", n, err)
					return
				}
				if err := own.DeleteTopic(t.Context(), topic.ID); err != nil {
					t.Errorf("deleting topic %d: %v", n, err)
					return
				}
				made.Add(1)
			}
		})
	}
	for round := range rounds(3, 12) {
		before := made.Load()
		c.Stop(round % 3)
		c.Start()
		eventually(t, time.Minute, "topics are made", func() bool { return made.Load() >= before+3 || t.Failed() })
	}
	stop()
	group.Wait()
	t.Logf("%d topics were made and deleted, %d could not be made", made.Load(), unavailable.Load())
}
