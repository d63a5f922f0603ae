package projectionstest

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/strandlog/strand/projections"
)

func (s *subject[T]) testHigherEpoch(t *testing.T) {
	zombie := s.claim(t, 0, 1)
	s.mustCommit(t, zombie, 3, "a", 1)
	owner := s.claim(t, 0, 2)
	s.mustBeFenced(t, zombie, 4)
	s.mustCommit(t, owner, 4, "a", 1)
	s.mustBeFenced(t, zombie, 5)
	mustClose(t, owner)
	s.wantCounters(t, map[string]int64{"a": 2})
	s.wantMark(t, 0, mark(4))
}

func (s *subject[T]) testSameEpoch(t *testing.T) {
	zombie := s.claim(t, 0, 1)
	owner := s.claim(t, 0, 1)
	s.mustCommit(t, owner, 1, "a", 1)
	s.mustBeFenced(t, zombie, 1)
	mustClose(t, owner)
	s.wantCounters(t, map[string]int64{"a": 1})
}

func (s *subject[T]) testLowerEpoch(t *testing.T) {
	owner := s.claim(t, 0, 5)
	if _, err := s.Sink.Claim(t.Context(), theClaim(0, 4)); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a claim with epoch 4 after 5: got %v, want ErrFenced", err)
	}
	s.mustCommit(t, owner, 1, "a", 1) // and it did the owner no harm
	mustClose(t, owner)
	if _, err := s.Sink.Claim(t.Context(), theClaim(0, 4)); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a claim with epoch 4 after 5 was closed: got %v, want ErrFenced", err)
	}
	if _, err := s.Sink.Claim(t.Context(), theClaim(1, 4)); err != nil {
		t.Errorf("a claim of another partition: %v", err)
	}
}

// testOvertaken takes the partition over while the handlers of the old owner run. The sink may let the claim wait until
// that commit is over, or refuse the commit; either way nothing is counted twice.
func (s *subject[T]) testOvertaken(t *testing.T) {
	zombie := s.claim(t, 0, 1)
	claimed := make(chan projections.Lane[T], 1)
	err := zombie.Commit(t.Context(), mark(1), func(tx T) error {
		if err := s.Add(t.Context(), tx, "a", 1); err != nil {
			return err
		}
		go func() {
			lane, err := s.Sink.Claim(t.Context(), theClaim(0, 2))
			if err != nil {
				t.Errorf("taking over: %v", err)
			}
			claimed <- lane
		}()
		return nil
	})
	if err == nil {
		err = zombie.Close()
	}
	owner := <-claimed
	if owner == nil {
		return
	}
	switch begin := owner.Checkpoint(); {
	case err == nil && begin != mark(1):
		t.Fatalf("the old owner's commit succeeded and the new one begins at %+v", begin)
	case err != nil && !errors.Is(err, projections.ErrFenced):
		t.Fatalf("the old owner's commit: got %v, want ErrFenced", err)
	case err != nil && begin != mark(0):
		t.Fatalf("the old owner's commit was refused and the new one begins at %+v", begin)
	case begin == mark(0):
		s.mustCommit(t, owner, 1, "a", 1)
	}
	mustClose(t, owner)
	s.wantCounters(t, map[string]int64{"a": 1})
	s.wantMark(t, 0, mark(1))
}

func (s *subject[T]) testOtherSource(t *testing.T) {
	lane := s.claim(t, 0, 1)
	s.mustCommit(t, lane, 1, "a", 1)
	mustClose(t, lane)
	for name, change := range map[string]func(*projections.Claim){
		"another topic":             func(c *projections.Claim) { c.Topic = "orders" },
		"a topic created again":     func(c *projections.Claim) { c.TopicID = uuid.UUID{9} },
		"a log from a backup":       func(c *projections.Claim) { c.LogID = uuid.UUID{9} },
		"a partition not yet taken": func(c *projections.Claim) { c.LogID, c.Partition = uuid.UUID{9}, 5 },
	} {
		claim := theClaim(0, 2)
		change(&claim)
		if _, err := s.Sink.Claim(t.Context(), claim); !errors.Is(err, projections.ErrLogDiverged) {
			t.Errorf("%s: got %v, want ErrLogDiverged", name, err)
		}
	}
	s.wantMark(t, 0, mark(1))
}

func (s *subject[T]) testReset(t *testing.T) {
	setup := func() {
		t.Helper()
		err := s.Sink.Setup(t.Context(), theProjection(), func(tx T) error { return s.Add(t.Context(), tx, "setup", 1) })
		if err != nil {
			t.Fatal(err)
		}
	}
	setup()
	lane := s.claim(t, 0, 7)
	s.mustCommit(t, lane, 3, "a", 1)
	mustClose(t, lane)

	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	now := s.checkpoints(t)
	if now.Source != (projections.Source{}) || now.Partitions[0].Mark != mark(0) {
		t.Errorf("after the reset the checkpoints are %+v", now)
	}
	if now.Partitions[0].Epoch != 7 {
		t.Errorf("after the reset the epoch is %d, want 7", now.Partitions[0].Epoch)
	}
	setup() // what setup made is gone, so it runs again
	s.wantCounters(t, map[string]int64{"setup": 1})

	again := theClaim(0, 8)
	again.TopicID = uuid.UUID{9} // any topic may follow
	next, err := s.Sink.Claim(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if got := next.Checkpoint(); got != mark(0) {
		t.Errorf("after the reset a lane begins at %+v", got)
	}
	mustClose(t, next)
}

// testAnotherLog follows a log whose epochs are lower than those of the former one: there they say nothing.
func (s *subject[T]) testAnotherLog(t *testing.T) {
	former := s.claim(t, 0, 7)
	s.claim(t, 1, 7)
	s.mustCommit(t, former, 1, "a", 1)
	other := func(partition int32, epoch uint64) projections.Claim {
		claim := theClaim(partition, epoch)
		claim.LogID = uuid.UUID{9}
		return claim
	}
	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	for partition := range int32(2) {
		lane, err := s.Sink.Claim(t.Context(), other(partition, 1))
		if err != nil {
			t.Fatalf("partition %d of another log: %v", partition, err)
		}
		s.mustBeFenced(t, former, 2)
		s.mustCommit(t, lane, 1, "b", 1)
		mustClose(t, lane)
	}
	// Of one log, the epochs stay.
	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sink.Claim(t.Context(), other(0, 0)); !errors.Is(err, projections.ErrFenced) {
		t.Errorf("a lower epoch of the same log: got %v, want ErrFenced", err)
	}
	s.wantCounters(t, map[string]int64{})
}

func (s *subject[T]) testResetFences(t *testing.T) {
	zombie := s.claim(t, 0, 1)
	s.mustCommit(t, zombie, 3, "a", 1)
	if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
		t.Fatal(err)
	}
	s.mustBeFenced(t, zombie, 4)
	s.wantMark(t, 0, mark(0))
}

// testNews looks from where on events are new, if lanes know that.
func (s *subject[T]) testNews(t *testing.T) {
	of := theClaim(0, 1)
	wantNew := func(when string, want int64) projections.Lane[T] {
		t.Helper()
		lane, err := s.Sink.Claim(t.Context(), of)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if gate, ok := lane.(projections.Gated); ok && gate.NewFrom() != want {
			t.Errorf("%s: events are new from %d on, want %d", when, gate.NewFrom(), want)
		}
		return lane
	}
	reset := func() {
		t.Helper()
		if err := s.Sink.Reset(t.Context(), theProjection()); err != nil {
			t.Fatal(err)
		}
	}
	s.mustCommit(t, wantNew("at first", 0), 5, "a", 1)
	wantNew("for the next owner", 0)
	reset()
	s.mustCommit(t, wantNew("after a reset", 5), 3, "a", 1)
	reset()
	s.mustCommit(t, wantNew("after another one, that came sooner", 5), 7, "a", 1)
	reset()
	wantNew("after a third one", 7)
	reset()
	of.LogID = uuid.UUID{9}
	wantNew("in the same topic from a backup", 7)
	reset()
	of.TopicID = uuid.UUID{9}
	s.mustCommit(t, wantNew("in another topic", 0), 2, "a", 1)
	wantNew("for the next owner there", 0)
}
