package brokertest_test

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestPausedLeader stops the leader's process in the middle of its work until another one leads, and has it go on: it acknowledges nothing that it does not
// lead any more, and its clients get to the new leader.
func TestPausedLeader(t *testing.T) {
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	version := int64(0)
	for range rounds(1, 10) {
		version = pauseLeader(t, c, client, topic, version)
	}
	checkEpochs(t, c.URL(leader(t, c, client, topic)), topic)
}

func pauseLeader(t *testing.T, c *brokertest.Nodes, client *commitlog.Client, topic commitlog.Topic, version int64) int64 {
	t.Helper()
	paused := leader(t, c, client, topic)
	there := patient(t, c.URL(paused))
	elsewhere := patient(t, c.URL((paused+1)%3)+","+c.URL((paused+2)%3))
	alone := patient(t, c.URL(paused)) // its appends do not queue behind those of the writers
	if _, err := alone.Append(t.Context(), topic, event("prepared", commitlog.Any)); err != nil {
		t.Fatal(err)
	}
	for ; version == 0; version++ {
		if _, err := there.Append(t.Context(), topic, event("contended", commitlog.NoStream)); err != nil {
			t.Fatal(err)
		}
	}
	w := newTold()
	stop := w.begin(t, topic, 8, func(int) *commitlog.Client { return there })
	defer stop()
	w.await(t, 50)

	c.Signal(paused, syscall.SIGSTOP)
	resumed := false
	defer func() {
		if !resumed {
			c.Signal(paused, syscall.SIGCONT) // or it could not be stopped
		}
	}()
	began := time.Now()
	late := make(chan error, 1)
	go func() { // it waits in the paused node's socket, and is for the version that the other one is for
		_, err := alone.Append(t.Context(), topic, event("contended", commitlog.Expected(version)))
		late <- err
	}()
	if _, err := elsewhere.Append(t.Context(), topic, event("contended", commitlog.Expected(version))); err != nil {
		t.Fatalf("an append to the nodes that go on: %v", err)
	}
	t.Logf("the others took an append after %v", time.Since(began))
	select {
	case err := <-late:
		t.Fatalf("an append to a node that is paused was answered: %v", err)
	default:
	}
	c.Signal(paused, syscall.SIGCONT)
	resumed = true
	conflict := new(commitlog.ConflictError)
	switch err := <-late; {
	case err == nil:
		t.Fatal("the node acknowledged an append for a version that was taken while it was paused")
	case errors.As(err, &conflict):
		if conflict.Actual != version+1 {
			t.Errorf("the node's client was told that the stream is at version %d, not %d", conflict.Actual, version+1)
		}
	case !errors.Is(err, commitlog.ErrIndefinite) && !errors.Is(err, commitlog.ErrNotEnoughReplicas):
		t.Errorf("the node's client was told: %v", err)
	default:
		t.Logf("the node's client was told: %v", err)
	}
	drained := len(w.progress)
	w.await(t, 50+drained)
	stop()
	t.Logf("%d events acknowledged, %d indefinite; failures: %v", len(w.stored), len(w.indefinite), w.failures)
	w.checkOwn(t, elsewhere, topic)
	return version + 1
}

// patient dials a client that waits for an election, and longer.
func patient(t *testing.T, url string) *commitlog.Client {
	t.Helper()
	client, err := commitlog.Config{AppendTimeout: time.Minute}.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// checkOwn compares the log, in which others write as well, with what the writers were told.
func (w *told) checkOwn(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	seen := map[uuid.UUID]int{}
	for p := range topic.Partitions {
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen[uuid.UUID(r.Headers[0].Value)]++
		}
	}
	for id, at := range w.stored {
		if seen[id] != 1 {
			t.Errorf("event %s was acknowledged at %v, and is stored %d times", id, at, seen[id])
		}
	}
	for id := range w.refused {
		if seen[id] != 0 {
			t.Errorf("event %s was refused, and is stored", id)
		}
	}
}

// checkEpochs has no batch of an epoch come after one of a later epoch.
func checkEpochs(t *testing.T, url string, topic commitlog.Topic) {
	t.Helper()
	newest, epochs := int32(0), 0
	for next, end := int64(0), int64(1); next < end; {
		var r wire.FetchResponse
		eventually(t, 30*time.Second, fmt.Sprintf("an answer from offset %d", next), func() bool { // the node that is back may be given the shard meanwhile
			answer, ok := newSession(t, url, topic).fetch(wire.FetchRequest{Offset: next, MaxBytes: 1 << 20})
			r = answer
			return ok && r.Code == wire.OK
		})
		end = r.HighWatermark
		for rest := r.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				t.Fatal(err)
			}
			info := batch.Info()
			if info.LeaderEpoch < newest {
				t.Fatalf("the batch at offset %d is of epoch %d, after epoch %d", info.BaseOffset, info.LeaderEpoch, newest)
			}
			if info.LeaderEpoch > newest {
				newest = info.LeaderEpoch
				epochs++
			}
			rest, next = after, info.Next()
		}
	}
	if epochs < 2 {
		t.Errorf("there are batches of %d epochs: nobody took the log over", epochs)
	}
	t.Logf("batches of %d epochs", epochs)
}
