package projectionstest

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/strandlog/strand/projections"
)

var errRefused = errors.New("refused by the test")

func (s *subject[T]) testEmpty(t *testing.T) {
	s.wantCounters(t, nil)
	now := s.checkpoints(t)
	if now.Source != (projections.Source{}) || len(now.Partitions) != 0 {
		t.Errorf("the checkpoints of a sink that nobody claimed are %+v", now)
	}
	if got := s.claim(t, 0, 1).Checkpoint(); got != mark(0) {
		t.Errorf("a new lane begins at %+v", got)
	}
	if got, want := s.checkpoints(t).Source, theClaim(0, 1).Source(); got != want {
		t.Errorf("the source is %+v after the claim, want %+v", got, want)
	}
}

func (s *subject[T]) testCommit(t *testing.T) {
	lane := s.claim(t, 0, 1)
	s.mustCommit(t, lane, 3, "a", 2)
	s.mustCommit(t, lane, 9, "a", 40)
	if got := lane.Checkpoint(); got != mark(9) {
		t.Errorf("the lane is at %+v, want %+v", got, mark(9))
	}
	mustClose(t, lane)
	s.wantCounters(t, map[string]int64{"a": 42})
	s.wantMark(t, 0, mark(9))
}

func (s *subject[T]) testHandlerError(t *testing.T) {
	lane := s.claim(t, 0, 1)
	s.mustCommit(t, lane, 3, "a", 1)
	calls := 0
	err := lane.Commit(t.Context(), mark(5), func(tx T) error {
		calls++
		if err := s.Add(t.Context(), tx, "a", 100); err != nil {
			return err
		}
		if err := s.Add(t.Context(), tx, "b", 100); err != nil {
			return err
		}
		return errRefused
	})
	if !errors.Is(err, errRefused) || calls != 1 {
		t.Fatalf("the commit returned %v after %d calls, want the error of the handlers after one", err, calls)
	}
	if got := lane.Checkpoint(); got != mark(3) {
		t.Errorf("the lane is at %+v, want %+v", got, mark(3))
	}
	s.wantCounters(t, map[string]int64{"a": 1})
	s.wantMark(t, 0, mark(3))

	s.mustCommit(t, lane, 4, "a", 1) // the lane can be used again
	mustClose(t, lane)
	s.wantCounters(t, map[string]int64{"a": 2})
	s.wantMark(t, 0, mark(4))
}

func (s *subject[T]) testHandlerPanic(t *testing.T) {
	lane := s.claim(t, 0, 1)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the sink swallowed a panic")
			}
		}()
		_ = lane.Commit(t.Context(), mark(5), func(tx T) error { // panics
			if err := s.Add(t.Context(), tx, "a", 100); err != nil {
				return err
			}
			panic(errRefused) //nolint:forbidigo // what a handler may do
		})
	}()
	s.wantCounters(t, nil)
	s.wantMark(t, 0, mark(0))

	next := s.claim(t, 0, 2) // nothing is locked
	s.mustCommit(t, next, 1, "a", 1)
	mustClose(t, next)
	s.wantCounters(t, map[string]int64{"a": 1})
}

func (s *subject[T]) testNoWayBack(t *testing.T) {
	lane := s.claim(t, 0, 1)
	s.mustCommit(t, lane, 5, "a", 1)
	err := s.commit(t.Context(), lane, 4, "a", 100)
	if err == nil {
		err = lane.Close()
	}
	if err == nil {
		t.Error("a commit below the checkpoint was accepted")
	}
	s.wantCounters(t, map[string]int64{"a": 1})
	s.wantMark(t, 0, mark(5))
}

func (s *subject[T]) testEmptyCommit(t *testing.T) {
	lane := s.claim(t, 0, 1)
	if err := lane.Commit(t.Context(), mark(8), func(T) error { return nil }); err != nil {
		t.Fatal(err)
	}
	mustClose(t, lane)
	s.wantCounters(t, nil)
	s.wantMark(t, 0, mark(8))
}

func (s *subject[T]) testClosedLane(t *testing.T) {
	lane := s.claim(t, 0, 1)
	mustClose(t, lane)
	mustClose(t, lane)
	if err := s.commit(t.Context(), lane, 1, "a", 1); err == nil {
		t.Error("a closed lane took a commit")
	}
	s.wantCounters(t, nil)
}

func (s *subject[T]) testResume(t *testing.T) {
	first := s.claim(t, 0, 1)
	s.mustCommit(t, first, 3, "a", 1)
	mustClose(t, first)
	second := s.claim(t, 0, 2)
	if got := second.Checkpoint(); got != mark(3) {
		t.Fatalf("the next lane begins at %+v, want %+v", got, mark(3))
	}
	s.mustCommit(t, second, 4, "a", 1)
	mustClose(t, second)
	s.wantCounters(t, map[string]int64{"a": 2})
	s.wantMark(t, 0, mark(4))
}

func (s *subject[T]) testPartitions(t *testing.T) {
	zero, one := s.claim(t, 0, 1), s.claim(t, 1, 6)
	s.mustCommit(t, zero, 3, "a", 1)
	s.mustCommit(t, one, 8, "b", 1)
	mustClose(t, zero)
	mustClose(t, one)
	s.wantMark(t, 0, mark(3))
	s.wantMark(t, 1, mark(8))
	s.wantMark(t, 2, mark(0))
	if got := s.checkpoints(t).Partitions[1].Epoch; got != 6 {
		t.Errorf("the epoch of partition 1 is %d, want 6", got)
	}
}

func (s *subject[T]) testSharedRow(t *testing.T) {
	const partitions, commits = 4, 25
	var running sync.WaitGroup
	for partition := range int32(partitions) {
		lane := s.claim(t, partition, 1)
		running.Go(func() {
			for i := int64(0); i < commits; {
				err := lane.Commit(t.Context(), mark(i+1), func(tx T) error {
					if err := s.Add(t.Context(), tx, "shared", 1); err != nil {
						return err
					}
					for range 20 { // lets the others read the row before it is written
						runtime.Gosched()
					}
					return nil
				})
				if errors.Is(err, projections.ErrTransient) && lane.Checkpoint() != mark(i+1) {
					continue // the others were always faster
				}
				if i++; err != nil && !errors.Is(err, projections.ErrTransient) {
					t.Errorf("partition %d: %v", partition, err)
				}
			}
			if err := lane.Close(); err != nil {
				t.Errorf("partition %d: %v", partition, err)
			}
		})
	}
	running.Wait()
	s.wantCounters(t, map[string]int64{"shared": partitions * commits})
	for partition := range int32(partitions) {
		s.wantMark(t, partition, mark(commits))
	}
}

func (s *subject[T]) testSetupOnce(t *testing.T) {
	for range 2 {
		err := s.Sink.Setup(t.Context(), theProjection(), func(tx T) error { return s.Add(t.Context(), tx, "setup", 1) })
		if err != nil {
			t.Fatal(err)
		}
	}
	s.wantCounters(t, map[string]int64{"setup": 1})
}

func (s *subject[T]) testSetupError(t *testing.T) {
	for i, want := range []error{errRefused, nil} {
		err := s.Sink.Setup(t.Context(), theProjection(), func(tx T) error {
			return errors.Join(s.Add(t.Context(), tx, fmt.Sprint(i), 1), want)
		})
		if !errors.Is(err, want) {
			t.Fatalf("setup returned %v, want %v", err, want)
		}
	}
	s.wantCounters(t, map[string]int64{"1": 1})
}
