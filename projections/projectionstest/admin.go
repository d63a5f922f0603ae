package projectionstest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/strandlog/strand/projections"
)

func (s *subject[T]) overview(t *testing.T) projections.Overview {
	t.Helper()
	all, err := s.Admin.List(t.Context())
	if err != nil {
		t.Fatalf("listing projections: %v", err)
	}
	if len(all) != 1 || all[0].ID != theProjection() {
		t.Fatalf("the projections are %+v, want only %s", all, theProjection())
	}
	return all[0]
}

func (s *subject[T]) testList(t *testing.T) {
	if all, err := s.Admin.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("of an empty sink: %+v, %v", all, err)
	}
	s.mustCommit(t, s.claim(t, 1, 7), 3, "a", 1)
	s.claim(t, 0, 5)
	o := s.overview(t)
	if o.Source != theClaim(0, 0).Source() || o.Paused || o.Created.IsZero() || len(o.Partitions) != 2 {
		t.Fatalf("it is %+v", o)
	}
	for i, want := range []projections.PartitionOverview{{Partition: 0, Epoch: 5}, {Partition: 1, Next: 3, Epoch: 7}} {
		got := o.Partitions[i]
		if got.Updated.IsZero() {
			t.Errorf("partition %d was updated at no time", i)
		}
		if want.Updated = got.Updated; got != want {
			t.Errorf("partition %d is %+v, want %+v", i, got, want)
		}
	}
}

func (s *subject[T]) testUnknown(t *testing.T) {
	ctx, id := t.Context(), theProjection()
	for name, do := range map[string]func() error{
		"Pause":          func() error { return s.Admin.Pause(ctx, id) },
		"Resume":         func() error { return s.Admin.Resume(ctx, id) },
		"SetCheckpoints": func() error { return s.Admin.SetCheckpoints(ctx, id, map[int32]int64{0: 1}) },
		"Parked":         func() error { _, err := s.Admin.Parked(ctx, id); return err },
		"Retry":          func() error { _, err := s.Admin.Retry(ctx, id, "account-alice"); return err },
		"Drop":           func() error { _, err := s.Admin.Drop(ctx, id, "account-alice"); return err },
	} {
		if err := do(); !errors.Is(err, projections.ErrUnknownProjection) {
			t.Errorf("%s: got %v, want ErrUnknownProjection", name, err)
		}
	}
}

// mustBePaused checks that a commit is put off.
func (s *subject[T]) mustBePaused(t *testing.T, lane projections.Lane[T], next int64) {
	t.Helper()
	if err := s.commit(t.Context(), lane, next, "paused", 1); !errors.Is(err, projections.ErrTransient) {
		t.Fatalf("a commit while it is paused: got %v, want ErrTransient", err)
	}
}

func (s *subject[T]) testPause(t *testing.T) {
	lane := s.claim(t, 0, 1)
	s.mustCommit(t, lane, 1, "a", 1)
	if err := s.Admin.Pause(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	s.mustBePaused(t, lane, 2)
	s.mustBePaused(t, lane, 2) // and stays
	other := s.claim(t, 1, 1)
	s.mustBePaused(t, other, 1)
	if !s.overview(t).Paused || !s.checkpoints(t).Paused {
		t.Error("it is not listed as paused")
	}
	s.wantCounters(t, map[string]int64{"a": 1})
	s.wantMark(t, 0, mark(1))
	if err := s.Admin.Resume(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	s.mustCommit(t, lane, 2, "a", 1)
	s.mustCommit(t, other, 1, "b", 1)
	s.wantCounters(t, map[string]int64{"a": 2, "b": 1})
	if s.overview(t).Paused {
		t.Error("it is listed as paused")
	}
}

// testPauseReset has a read model made anew while it is paused: not before it is resumed.
func (s *subject[T]) testPauseReset(t *testing.T) {
	s.mustCommit(t, s.claim(t, 0, 1), 1, "a", 1)
	if err := s.Admin.Pause(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	s.mustBePaused(t, s.claim(t, 0, 1), 1)
}

// testPauseUnderWay pauses while handlers run. The sink may wait for that commit or put it off; when Pause has returned, nothing is committed any more.
func (s *subject[T]) testPauseUnderWay(t *testing.T) {
	lane := s.claim(t, 0, 1)
	paused := make(chan error, 1)
	var at projections.Mark
	err := lane.Commit(t.Context(), mark(1), func(tx T) error {
		go func() {
			err := s.Admin.Pause(t.Context(), theProjection())
			at = s.checkpoints(t).Partitions[0].Mark
			paused <- err
		}()
		return s.Add(t.Context(), tx, "a", 1)
	})
	if err == nil {
		err = lane.Close()
	}
	if err := <-paused; err != nil {
		t.Fatal(err)
	}
	s.wantMark(t, 0, at)
	switch {
	case err == nil && at == mark(1):
		s.wantCounters(t, map[string]int64{"a": 1})
	case errors.Is(err, projections.ErrTransient) && at == mark(0):
		s.wantCounters(t, map[string]int64{})
	default:
		t.Errorf("the commit under way ended with %v, and the checkpoint was at %+v", err, at)
	}
}

// testPauseUnderLoad pauses, resumes and resets while many partitions commit without end.
func (s *subject[T]) testPauseUnderLoad(t *testing.T) {
	const partitions = 8
	ctx, cancel := context.WithCancel(t.Context())
	var lanes sync.WaitGroup
	defer lanes.Wait()
	defer cancel()
	committed := make(chan int32, partitions*16)
	for p := range int32(partitions) {
		lane := s.claim(t, p, 1)
		lanes.Go(func() {
			for next := int64(1); ctx.Err() == nil; {
				err := s.commit(ctx, lane, next, fmt.Sprint("k", p), 1)
				switch {
				case err == nil:
					next++
					select {
					case committed <- p:
					default:
					}
				case errors.Is(err, projections.ErrFenced):
					return
				case !errors.Is(err, projections.ErrTransient) && ctx.Err() == nil:
					t.Errorf("partition %d: %v", p, err)
					return
				}
			}
		})
	}
	limited, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	for round := range 3 {
		for range partitions * 16 {
			select {
			case <-committed:
			case <-limited.Done():
				t.Fatalf("round %d: nothing is committed any more", round)
			}
		}
		if err := s.Admin.Pause(limited, theProjection()); err != nil {
			t.Fatalf("round %d: pausing: %v", round, err)
		}
		before := s.checkpoints(t).Partitions
		for p, after := range s.checkpoints(t).Partitions {
			if after != before[p] {
				t.Errorf("round %d: it is paused, and partition %d went from %+v to %+v", round, p, before[p], after)
			}
		}
		if err := s.Admin.Resume(limited, theProjection()); err != nil {
			t.Fatalf("round %d: resuming: %v", round, err)
		}
	}
	if err := s.Admin.SetCheckpoints(limited, theProjection(), map[int32]int64{0: 1, 7: 1}); err != nil {
		t.Fatalf("setting checkpoints: %v", err)
	}
	if err := s.Sink.Reset(limited, theProjection()); err != nil {
		t.Fatalf("resetting: %v", err)
	}
	lanes.Wait() // all are fenced
	s.wantCounters(t, map[string]int64{})
}

func (s *subject[T]) testSetCheckpoints(t *testing.T) {
	lane := s.claim(t, 0, 4)
	s.mustCommit(t, lane, 3, "a", 1)
	set := func(next map[int32]int64) error {
		return s.Admin.SetCheckpoints(t.Context(), theProjection(), next)
	}
	if err := set(map[int32]int64{0: 1, 9: 1}); !errors.Is(err, projections.ErrUnknownProjection) {
		t.Errorf("of a partition that nobody has claimed: got %v, want ErrUnknownProjection", err)
	}
	if err := set(map[int32]int64{0: -1}); err == nil {
		t.Error("a negative offset was taken")
	}
	s.wantMark(t, 0, mark(3))
	if err := set(map[int32]int64{0: 1}); err != nil {
		t.Fatal(err)
	}
	s.mustBeFenced(t, lane, 4)
	if _, err := s.Sink.Claim(t.Context(), theClaim(0, 3)); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a claim with epoch 3 after 4: got %v, want ErrFenced", err)
	}
	next := s.claim(t, 0, 4)
	if got := next.Checkpoint(); got != (projections.Mark{Next: 1}) { // of which event it comes after nobody has said
		t.Errorf("the next lane begins at %+v, want offset 1", got)
	}
	s.mustCommit(t, next, 2, "a", 1)
	s.wantCounters(t, map[string]int64{"a": 2}) // what was there stays
}

func (s *subject[T]) testParked(t *testing.T) {
	lane := s.claim(t, 2, 1)
	parking, ok := lane.(projections.Parking)
	if !ok {
		t.Fatalf("%T sets no events aside", lane)
	}
	event := func(stream string, offset int64, reason string, skipped bool) projections.ParkedEvent {
		return projections.ParkedEvent{Partition: 2, Stream: stream, Offset: offset, ID: uuid.UUID{15: byte(offset)}, Type: "withdrawn", Reason: reason, Skipped: skipped}
	}
	if err := lane.Commit(t.Context(), mark(9), func(T) error {
		parking.SetAside(event("account-alice", 3, "no", false), event("account-bob", 4, "no", false), event("account-alice", 5, "", false), event("account-carol", 8, "no", true))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if o := s.overview(t); o.Waiting != 3 || o.Skipped != 1 {
		t.Errorf("listed are %d events that wait and %d that were skipped, want 3 and 1", o.Waiting, o.Skipped)
	}
	s.wantParked(t, 3, 4, 5, 8)
	for stream, want := range map[string]int64{"account-alice": 2, "account-carol": 0, "account-dave": 0} {
		if n, err := s.Admin.Retry(t.Context(), theProjection(), stream); err != nil || n != want {
			t.Errorf("another attempt at %d events of %s, %v, want %d", n, stream, err, want)
		}
	}
	waiting, err := parking.Waiting(t.Context())
	if err != nil || len(waiting) != 2 || !waiting["account-alice"] || waiting["account-bob"] {
		t.Errorf("the lane sees %v, %v, want another attempt at account-alice", waiting, err)
	}
	for stream, want := range map[string]int64{"account-alice": 2, "account-carol": 1, "account-dave": 0} {
		if n, err := s.Admin.Drop(t.Context(), theProjection(), stream); err != nil || n != want {
			t.Errorf("dropped %d events of %s, %v, want %d", n, stream, err, want)
		}
	}
	s.wantParked(t, 4)
}

// testParkedAgain has a partition go back, and set an event aside once more that was skipped before.
func (s *subject[T]) testParkedAgain(t *testing.T) {
	lane := s.claim(t, 2, 1)
	parking, ok := lane.(projections.Parking)
	if !ok {
		t.Fatalf("%T sets no events aside", lane)
	}
	for i, skipped := range []bool{true, false} {
		if err := lane.Commit(t.Context(), mark(int64(5+i)), func(T) error {
			parking.SetAside(projections.ParkedEvent{Partition: 2, Stream: "account-alice", Offset: 3, ID: uuid.UUID{15: 3}, Type: "withdrawn", Reason: "no", Skipped: skipped})
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.wantParked(t, 3)
		waiting, err := parking.Waiting(t.Context())
		if err != nil || len(waiting) != i {
			t.Errorf("skipped is %t, and there wait %v, %v", skipped, waiting, err)
		}
	}
}

func (s *subject[T]) wantParked(t *testing.T, offsets ...int64) {
	t.Helper()
	parked, err := s.Admin.Parked(t.Context(), theProjection())
	if err != nil || len(parked) != len(offsets) {
		t.Fatalf("parked are %+v, %v, want offsets %v", parked, err, offsets)
	}
	for i, e := range parked {
		if e.Offset != offsets[i] || e.Partition != 2 || e.Type != "withdrawn" {
			t.Errorf("parked event %d is %+v, want offset %d", i, e, offsets[i])
		}
	}
}
