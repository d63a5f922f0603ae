package brokertest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// rounds is how often a cluster is hurt: few times where a minute must do.
func rounds(few, many int) int {
	if os.Getenv("STRAND_TORTURE") != "" {
		return many
	}
	return few
}

// told is what writers were told of their events.
type told struct {
	mu         sync.Mutex
	stored     map[uuid.UUID]place
	indefinite map[uuid.UUID]bool
	refused    map[uuid.UUID]bool
	last       time.Time     // of an acknowledgement
	longest    time.Duration // between two
	gaps       []time.Duration
	failures   map[string]int
	progress   chan struct{}
}

type place struct {
	stream  string
	version int64
}

func newTold() *told {
	return &told{stored: map[uuid.UUID]place{}, indefinite: map[uuid.UUID]bool{}, refused: map[uuid.UUID]bool{}, failures: map[string]int{}, progress: make(chan struct{}, 1)}
}

// begin starts n writers, each with a client. What it returns ends them, and may be called more than once.
func (w *told) begin(t *testing.T, topic commitlog.Topic, n int, client func(writer int) *commitlog.Client) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range n {
		of := client(i)
		group.Go(func() { w.write(ctx, of, topic, i) })
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// write appends to streams of its own and to shared ones, until ctx ends.
func (w *told) write(ctx context.Context, client *commitlog.Client, topic commitlog.Topic, writer int) {
	versions := map[string]int64{}
	for i := 0; ctx.Err() == nil; i++ {
		stream := fmt.Sprintf("own-%d_%d", writer, rand.IntN(20))
		if i%4 == 0 {
			stream = fmt.Sprintf("shared-%d", rand.IntN(3))
		}
		e := commitlog.NewRecord{ID: uuid.New(), Value: []byte("{}")}
		done, err := client.Append(ctx, topic, commitlog.Append{Writes: []commitlog.Write{{
			Stream: stream, Expected: commitlog.Expected(versions[stream]), Events: []commitlog.NewRecord{e},
		}}})
		conflict := new(commitlog.ConflictError)
		w.mu.Lock()
		switch {
		case err == nil:
			versions[stream] = done.Writes[0].FirstVersion
			w.stored[e.ID] = place{stream, versions[stream]}
			w.acknowledged()
		case errors.Is(err, commitlog.ErrIndefinite):
			w.indefinite[e.ID] = true
		default:
			w.refused[e.ID] = true
		}
		if errors.As(err, &conflict) {
			versions[stream] = conflict.Actual
		} else if err != nil && ctx.Err() == nil {
			w.failures[err.Error()]++
		}
		w.mu.Unlock()
	}
}

func (w *told) acknowledged() {
	now := time.Now()
	if !w.last.IsZero() {
		w.longest = max(w.longest, now.Sub(w.last))
	}
	if !w.last.IsZero() && now.Sub(w.last) > 100*time.Millisecond {
		w.gaps = append(w.gaps, now.Sub(w.last))
	}
	w.last = now
	select {
	case w.progress <- struct{}{}:
	default:
	}
}

// await returns after so many acknowledgements.
func (w *told) await(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-w.progress:
		case <-time.After(30 * time.Second):
			t.Fatalf("nothing was acknowledged for 30 s: %v", w.failures)
		}
	}
}

// check compares the log with what the writers were told.
func (w *told) check(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	seen := map[uuid.UUID]place{}
	versions := map[string]int64{}
	for p := range topic.Partitions {
		next := int64(0)
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset != next {
				t.Fatalf("partition %d: offset %d where %d is due", p, r.Offset, next)
			}
			next++
			id := uuid.UUID(r.Headers[0].Value)
			if _, twice := seen[id]; twice {
				t.Errorf("event %s is stored twice", id)
			}
			if w.refused[id] {
				t.Errorf("event %s was refused, and is stored", id)
			}
			versions[string(r.Key)]++
			seen[id] = place{string(r.Key), versions[string(r.Key)]}
		}
	}
	for id, at := range w.stored {
		if seen[id] != at {
			t.Errorf("event %s was acknowledged at %v, the log has it at %v", id, at, seen[id])
		}
	}
	for id := range seen {
		if _, known := w.stored[id]; !known && !w.indefinite[id] {
			t.Errorf("event %s is stored, and nobody was told so", id)
		}
	}
}

func dial(t *testing.T, url string) *commitlog.Client {
	t.Helper()
	client, err := commitlog.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// leader is the node that leads a shard of a topic.
func leader(t *testing.T, c *brokertest.Nodes, client *commitlog.Client, topic commitlog.Topic) int {
	t.Helper()
	now, err := client.Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	return c.Index(now.Partitions[0].Leader)
}

// TestKillLeader kills the leader under load, again and again: nothing that was acknowledged is lost, nothing is stored twice, and writes resume.
func TestKillLeader(t *testing.T) {
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	w := newTold()
	stop := w.begin(t, topic, 16, func(int) *commitlog.Client { return client })
	defer stop()
	var resumed []time.Duration
	for range rounds(3, 50) {
		w.await(t, 50+rand.IntN(100))
		victim := leader(t, c, client, topic)
		if victim < 0 {
			t.Fatal("nobody leads the topic")
		}
		c.Kill(victim)
		killed := time.Now()
		w.mu.Lock()
		select {
		case <-w.progress:
		default:
		}
		w.mu.Unlock()
		w.await(t, 1)
		w.await(t, 1)
		resumed = append(resumed, time.Since(killed))
		c.Start()
	}
	stop()
	slices.Sort(resumed)
	t.Logf("%d events acknowledged, %d indefinite, %d refused; writes resumed after %v", len(w.stored), len(w.indefinite), len(w.refused), resumed)
	t.Logf("failures: %v", w.failures)
	if most := resumed[len(resumed)-1]; most > 15*time.Second {
		t.Errorf("writes resumed after %v", most)
	}
	w.check(t, client, topic)
}
