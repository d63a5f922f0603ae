package projections_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// looseSink has lanes that share nothing, so that what runs at the same time is up to the worker alone.
type looseSink struct{}

func (looseSink) Claim(context.Context, projections.Claim) (projections.Lane[*sync.WaitGroup], error) {
	return &looseLane{}, nil
}

func (looseSink) Setup(context.Context, projections.ID, func(*sync.WaitGroup) error) error {
	return nil
}
func (looseSink) Reset(context.Context, projections.ID) error { return nil }

func (looseSink) Watch(context.Context, projections.ID) iter.Seq2[projections.Checkpoints, error] {
	return func(yield func(projections.Checkpoints, error) bool) { yield(projections.Checkpoints{}, nil) }
}

type looseLane struct{ mark projections.Mark }

func (l *looseLane) Checkpoint() projections.Mark { return l.mark }
func (l *looseLane) Close() error                 { return nil }

func (l *looseLane) Commit(_ context.Context, next projections.Mark, fn func(*sync.WaitGroup) error) error {
	if err := fn(nil); err != nil {
		return err
	}
	l.mark = next
	return nil
}

// The handlers of two partitions wait for each other: that ends only if they run at the same time.
func TestPartitionsRunInParallel(t *testing.T) {
	store := openStore(t, 2)
	one := appendTo(t, store, "k0", deposited{1})
	for i := 1; ; i++ {
		if appendTo(t, store, fmt.Sprint("k", i), noted{}).Partition != one.Partition {
			appendTo(t, store, fmt.Sprint("k", i), deposited{1})
			break
		}
	}
	var meeting sync.WaitGroup
	meeting.Add(2)
	projection := projections.Define("meeting", projections.On(
		func(context.Context, *sync.WaitGroup, eventstore.Recorded[deposited]) error {
			meeting.Done()
			meeting.Wait()
			return nil
		}))
	if err := projections.CatchUp(t.Context(), store, projection, looseSink{}); err != nil {
		t.Fatal(err)
	}
}

// A sink that fails to close its lane may have lost what it pipelined: CatchUp must not say that all is well.
func TestAnErrorOfCloseIsReported(t *testing.T) {
	store := openStore(t, 1)
	appendTo(t, store, "alice", deposited{1})
	sink := closingSink{projections.NewMemory[balance]()}
	for name, err := range map[string]error{
		"CatchUp": projections.CatchUp(t.Context(), store, balances(), sink),
		"Rebuild": projections.Rebuild(t.Context(), store, balances(), sink),
	} {
		if !errors.Is(err, errRefused) {
			t.Errorf("%s returned %v, want the error of Close", name, err)
		}
	}
}

type closingSink struct{ *projections.Memory[balance] }

func (s closingSink) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[balance]], error) {
	lane, err := s.Memory.Claim(ctx, c)
	return closingLane{lane}, err
}

type closingLane struct {
	projections.Lane[*projections.Rows[balance]]
}

func (l closingLane) Close() error { return errors.Join(l.Lane.Close(), errRefused) }

// Workers are stopped at arbitrary moments while events arrive. Nothing is lost and nothing counted twice.
func TestStopAtAnyMomentLosesNothing(t *testing.T) {
	store, memory := openStore(t, 3), projections.NewMemory[balance]()
	var (
		writer sync.WaitGroup
		want   = make(map[string]int64)
		last   []eventstore.Position
	)
	writer.Go(func() {
		for i := range int64(300) {
			key := fmt.Sprint("k", i%10)
			last = append(last, appendTo(t, store, key, deposited{i}, noted{}, withdrawn{1}))
			want[key] += i - 1
		}
	})
	for range 20 { // each takes 5 + 2*3 deposits at most: there is always another one to stop at
		ctx, cancel := context.WithCancel(t.Context())
		stopAfter := 1 + rand.IntN(5)
		counting := projections.Define("balances", projections.Fold(onWithdrawn), projections.Fold(
			func(b *balance, e eventstore.Recorded[deposited]) {
				onDeposited(b, e)
				if stopAfter--; stopAfter == 0 {
					cancel()
				}
			})).Version(2)
		if err := projections.Run(ctx, store, counting, memory, projections.CommitMax(2, 1<<20)); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	writer.Wait()
	stop := start(t, store, balances(), memory)
	if err := projections.Await(t.Context(), balances(), memory, last...); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantAmounts(t, memory, want)
}
