package projectionstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// counted is the event of the suite's own category.
type counted struct{ N int64 }

// testCrashes runs a worker that is stopped again and again: before a commit, in its middle, after it, by a panic of a handler, by
// a handler that gives up, by the end of its context. What is in the sink then is what was appended, once.
func (s *subject[T]) testCrashes(t *testing.T) {
	const partitions, events, crashesMin = 3, 400, 40
	random := rand.New(rand.NewPCG(1, 2))
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Partitions: partitions},
		eventstore.Category{Name: "counter", Events: map[string]any{"counted": counted{}}})
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]int64)
	for range events {
		key, n := fmt.Sprintf("k%d", random.IntN(20)), random.Int64N(1000)+1
		if _, err := store.Append(t.Context(), "counter-"+key, eventstore.Any, counted{N: n}); err != nil {
			t.Fatal(err)
		}
		want[key] += n
	}

	faults := &faults{random: random}
	projection := projections.Define(theProjection().Name, projections.On(
		func(ctx context.Context, tx T, e eventstore.Recorded[counted]) error {
			if err := s.Add(ctx, tx, e.Stream.Key(), e.Data.N); err != nil {
				return err
			}
			return faults.inHandler()
		})).Version(theProjection().Version)
	sink := &crashingSink[T]{Sink: s.Sink, faults: faults}

	crashes := 0
	for {
		err := faults.run(t.Context(), func(ctx context.Context) error {
			return projections.CatchUp(ctx, store, projection, sink, projections.CommitMax(8, 1<<20))
		})
		if err == nil {
			break
		}
		if !errors.Is(err, errCrash) && !errors.Is(err, context.Canceled) {
			t.Fatalf("the worker stopped by something else than a crash: %v", err)
		}
		crashes++
		if crashes == crashesMin {
			faults.end()
		}
	}
	if crashes < crashesMin {
		t.Fatalf("the worker crashed %d times only, want %d: the test proves too little", crashes, crashesMin)
	}
	s.wantCounters(t, want)
}
