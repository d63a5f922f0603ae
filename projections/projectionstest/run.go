package projectionstest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"github.com/google/uuid"

	"github.com/strandlog/strand/projections"
)

// Harness is a sink under test and how the suite writes and reads through it.
type Harness[T any] struct {
	Sink projections.Sink[T]

	// Add adds n to the counter of key. A counter that was never added to is 0.
	Add func(ctx context.Context, tx T, key string, n int64) error

	// Counters reads all counters outside any commit.
	Counters func(ctx context.Context) (map[string]int64, error)

	// Admin steers the sink from outside. Nil: nobody can, because the sink is [projections.Private].
	Admin projections.Admin
}

// check is one article of the law.
type check[T any] struct {
	name string
	run  func(*subject[T], *testing.T)
}

// Run runs the suite. open gives a harness with an empty sink; what it needs is released by t.Cleanup.
func Run[T any](t *testing.T, open func(t *testing.T) Harness[T]) {
	checks := []check[T]{
		{"a new sink is empty", (*subject[T]).testEmpty},
		{"effect and checkpoint are committed together", (*subject[T]).testCommit},
		{"an error of the handlers keeps nothing", (*subject[T]).testHandlerError},
		{"a panic of the handlers keeps nothing", (*subject[T]).testHandlerPanic},
		{"a checkpoint never goes back", (*subject[T]).testNoWayBack},
		{"a commit without effects moves the checkpoint", (*subject[T]).testEmptyCommit},
		{"a closed lane commits nothing", (*subject[T]).testClosedLane},
		{"a new lane goes on at the checkpoint", (*subject[T]).testResume},
		{"partitions have checkpoints of their own", (*subject[T]).testPartitions},
		{"partitions that write the same row lose nothing", (*subject[T]).testSharedRow},
		{"a higher epoch fences", (*subject[T]).testHigherEpoch},
		{"the same epoch fences", (*subject[T]).testSameEpoch},
		{"a lower epoch is refused", (*subject[T]).testLowerEpoch},
		{"a commit that was overtaken is refused", (*subject[T]).testOvertaken},
		{"another topic or log is refused", (*subject[T]).testOtherSource},
		{"setup runs once", (*subject[T]).testSetupOnce},
		{"setup that failed runs again", (*subject[T]).testSetupError},
		{"a watch tells every change", (*subject[T]).testWatch},
		{"a watch ends with its context", (*subject[T]).testWatchEnds},
		{"a reset clears everything but the epochs", (*subject[T]).testReset},
		{"a reset fences", (*subject[T]).testResetFences},
		{"after a reset another log may be followed, whose epochs begin anew", (*subject[T]).testAnotherLog},
		{"what was passed before a reset is not new, unless it is another topic", (*subject[T]).testNews},
		{"a worker with crashes equals the count outside", (*subject[T]).testCrashes},
	}
	if open(t).Admin != nil {
		checks = append(checks, []check[T]{
			{"operators see how far it is", (*subject[T]).testList},
			{"operators are told what is not there", (*subject[T]).testUnknown},
			{"a paused projection commits nothing", (*subject[T]).testPause},
			{"a reset does not resume", (*subject[T]).testPauseReset},
			{"a pause waits for the commit under way, or puts it off", (*subject[T]).testPauseUnderWay},
			{"a pause needs no gap between commits", (*subject[T]).testPauseUnderLoad},
			{"checkpoints can be set, and that fences", (*subject[T]).testSetCheckpoints},
			{"operators see what is parked, and retry or drop it", (*subject[T]).testParked},
			{"an event that is set aside again is there once", (*subject[T]).testParkedAgain},
		}...)
	}
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) { check.run(&subject[T]{Harness: open(t)}, t) })
	}
}

// subject is one sink with shorthands that fail the test.
type subject[T any] struct {
	Harness[T]
}

func theProjection() projections.ID { return projections.ID{Name: "counters", Version: 3} }

// theClaim is of one topic, always the same.
func theClaim(partition int32, epoch uint64) projections.Claim {
	return projections.Claim{
		Projection: theProjection().Name,
		Version:    theProjection().Version,
		Topic:      "events",
		TopicID:    uuid.UUID{0: 1, 15: 7},
		LogID:      uuid.UUID{0: 2, 15: 7},
		Partitions: 24,
		Partition:  partition,
		Epoch:      epoch,
	}
}

func mark(next int64) projections.Mark {
	if next == 0 {
		return projections.Mark{}
	}
	return projections.Mark{Next: next, LogEpoch: 5, EventID: uuid.UUID{0: 3, 15: byte(next)}}
}

func (s *subject[T]) claim(t *testing.T, partition int32, epoch uint64) projections.Lane[T] {
	t.Helper()
	lane, err := s.Sink.Claim(t.Context(), theClaim(partition, epoch))
	if err != nil {
		t.Fatalf("claiming partition %d with epoch %d: %v", partition, epoch, err)
	}
	t.Cleanup(func() { _ = lane.Close() }) // its errors are checked where they matter
	return lane
}

// commit adds n to the counter of key and moves the checkpoint to next.
func (s *subject[T]) commit(ctx context.Context, lane projections.Lane[T], next int64, key string, n int64) error {
	return lane.Commit(ctx, mark(next), func(tx T) error { return s.Add(ctx, tx, key, n) })
}

func (s *subject[T]) mustCommit(t *testing.T, lane projections.Lane[T], next int64, key string, n int64) {
	t.Helper()
	if err := s.commit(t.Context(), lane, next, key, n); err != nil {
		t.Fatalf("committing up to %d: %v", next, err)
	}
}

// mustClose also waits for what a lane has pipelined.
func mustClose[T any](t *testing.T, lane projections.Lane[T]) {
	t.Helper()
	if err := lane.Close(); err != nil {
		t.Fatalf("closing the lane: %v", err)
	}
}

// mustBeFenced checks that the lane can write nothing any more.
func (s *subject[T]) mustBeFenced(t *testing.T, lane projections.Lane[T], next int64) {
	t.Helper()
	err := s.commit(t.Context(), lane, next, "zombie", 1)
	if err == nil {
		err = lane.Close()
	}
	if !errors.Is(err, projections.ErrFenced) {
		t.Fatalf("a commit by an owner of the past: got %v, want ErrFenced", err)
	}
}

func (s *subject[T]) wantCounters(t *testing.T, want map[string]int64) {
	t.Helper()
	got, err := s.Counters(t.Context())
	if err != nil {
		t.Fatalf("reading the counters: %v", err)
	}
	if !maps.Equal(got, want) {
		t.Errorf("counters are %v, want %v", got, want)
	}
}

func (s *subject[T]) checkpoints(t *testing.T) projections.Checkpoints {
	t.Helper()
	for now, err := range s.Sink.Watch(t.Context(), theProjection()) {
		if err != nil {
			t.Fatalf("reading the checkpoints: %v", err)
		}
		return now
	}
	t.Fatal("the watch yielded nothing")
	return projections.Checkpoints{}
}

func (s *subject[T]) wantMark(t *testing.T, partition int32, want projections.Mark) {
	t.Helper()
	if got := s.checkpoints(t).Partitions[partition].Mark; got != want {
		t.Errorf("the checkpoint of partition %d is %+v, want %+v", partition, got, want)
	}
}
