package projectionstest

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/strandlog/strand/projections"
)

func (s *subject[T]) testWatch(t *testing.T) {
	next, stop := iter.Pull2(s.Sink.Watch(t.Context(), theProjection()))
	defer stop()
	// until waits for a state. It hangs, and the test with it, if the sink does not tell the change.
	until := func(what string, reached func(projections.Checkpoints) bool) {
		t.Helper()
		for {
			now, err, ok := next()
			if err != nil || !ok {
				t.Fatalf("waiting for %s: %v", what, err)
			}
			if reached(now) {
				return
			}
		}
	}
	until("nothing", func(projections.Checkpoints) bool { return true })
	lane := s.claim(t, 0, 4)
	until("the claim", func(now projections.Checkpoints) bool {
		return now.Source == theClaim(0, 4).Source() && now.Partitions[0].Epoch == 4
	})
	for i := range int64(3) {
		s.mustCommit(t, lane, i+1, "a", 1)
		until("the commit", func(now projections.Checkpoints) bool { return now.Partitions[0].Mark == mark(i+1) })
	}
	mustClose(t, lane)
	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	until("the reset", func(now projections.Checkpoints) bool { return now.Source == projections.Source{} })
}

func (s *subject[T]) testWatchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	yielded := 0
	for _, err := range s.Sink.Watch(ctx, theProjection()) {
		yielded++
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the watch ended with %v, want context.Canceled", err)
			}
			continue // an error ends the sequence
		}
		if yielded > 1 {
			t.Fatal("the watch told a change that was none")
		}
		cancel()
	}
}
