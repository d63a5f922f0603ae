package topics

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/strandlog/strand/internal/wire"
)

// TestStartOfATopicThatIsDeletedMeanwhile has a node start while another one deletes a topic, whose log is gone before this node hears of it.
func TestStartOfATopicThatIsDeletedMeanwhile(t *testing.T) {
	for _, deleted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			log := &ramLog{failAfter: 100}
			other := open(t, log, newRAMShards())
			topic, err := other.Create(t.Context(), wire.TopicSpec{Name: "events"})
			if err != nil {
				t.Fatal(err)
			}
			shards := newRAMShards()
			shards.fail = errCrash
			c, err := Open(t.Context(), log, shards, Config{Nodes: 3})
			if err != nil {
				t.Fatal(err)
			}
			known := len(log.events)
			if deleted {
				if err := other.Delete(t.Context(), topic.ID); err != nil {
					t.Fatal(err)
				}
			}
			started := make(chan error, 1)
			go func() { started <- c.Started(t.Context()) }()
			synctest.Wait()
			for _, e := range log.events[known:] {
				if err := c.fold(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-started; deleted != (err == nil) || !deleted && !errors.Is(err, errCrash) {
				t.Errorf("deleted: %t: the node started with %v", deleted, err)
			}
		})
	}
}
