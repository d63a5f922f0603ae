package brokertest_test

import (
	"context"
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
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "first", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var made atomic.Int64
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
	for round := range rounds(3, 30) {
		before := made.Load()
		c.Stop(round % 3)
		c.Start()
		eventually(t, time.Minute, "topics are made", func() bool { return made.Load() >= before+3 || t.Failed() })
	}
	stop()
	group.Wait()
	t.Logf("%d topics were made and deleted", made.Load())
}
