package projectionstest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/strandlog/strand/projections"
)

var errCrash = errors.New("crashed by the test")

// faults decides when a worker crashes. All partitions of a worker share it.
type faults struct {
	mu     sync.Mutex // guards all below
	random *rand.Rand
	over   bool
	stop   context.CancelFunc // of the current run
}

// run calls fn with a context that faults may end.
func (f *faults) run(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.stop = cancel
	f.mu.Unlock()
	return fn(ctx)
}

// end lets the worker live from now on.
func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
}

// once is true in one of n calls.
func (f *faults) once(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.over && f.random.IntN(n) == 0
}

func (f *faults) inHandler() error {
	switch {
	case f.once(15):
		return errCrash
	case f.once(15):
		panic(errCrash) //nolint:forbidigo // what a handler may do
	case f.once(15):
		f.mu.Lock()
		defer f.mu.Unlock()
		f.stop()
	}
	return nil
}

// crashingSink gives lanes whose commits crash around and inside the sink's own.
type crashingSink[T any] struct {
	projections.Sink[T]
	faults *faults
}

func (s *crashingSink[T]) Claim(ctx context.Context, c projections.Claim) (projections.Lane[T], error) {
	lane, err := s.Sink.Claim(ctx, c)
	if err != nil {
		return nil, err
	}
	return &crashingLane[T]{Lane: lane, faults: s.faults}, nil
}

type crashingLane[T any] struct {
	projections.Lane[T]
	faults *faults
}

func (l *crashingLane[T]) Commit(ctx context.Context, next projections.Mark, fn func(T) error) error {
	if l.faults.once(20) {
		return errCrash
	}
	err := l.Lane.Commit(ctx, next, func(tx T) error {
		if err := fn(tx); err != nil {
			return err
		}
		if l.faults.once(10) { // the effects are written, the checkpoint is not
			return errCrash
		}
		return nil
	})
	if err == nil && l.faults.once(10) { // all is committed, but the worker never learns it
		return errCrash
	}
	return err
}
