package shard

import (
	"context"
	"errors"
	"fmt"
)

// handOver is a wish to have another node lead the log.
type handOver struct {
	stepDown func(ctx context.Context) error
	done     chan error
}

var (
	errNotServing = errors.New("the shard does not serve here")
	errUnfinished = errors.New("what was published got no answer in time")
)

// HandOver has another node lead the log by stepDown: after what was taken is answered, so that nobody is left in doubt. It returns when stepDown has,
// or with why it was not called. When leadership stays here after all, the shard goes on.
func (s *Shard) HandOver(ctx context.Context, stepDown func(ctx context.Context) error) error {
	h := handOver{stepDown: stepDown, done: make(chan error, 1)}
	select {
	case s.handOvers <- h:
	case <-s.done:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-h.done:
		return err
	case <-s.done:
		return ErrClosed
	}
}

// handOver runs in the sequencer's goroutine: nothing is published meanwhile.
func (s *Shard) handOver(ctx context.Context, stepDown func(context.Context) error) error {
	if s.core.Phase() != Serving {
		return errNotServing
	}
	defer func() { s.draining = false }()
	if !s.finish() {
		return errUnfinished
	}
	s.flush()
	if s.core.Phase() != Serving {
		return errUnfinished // what failed meanwhile is resolved here, by another fence
	}
	if err := stepDown(ctx); err != nil {
		return fmt.Errorf("handing over a shard: %w", err)
	}
	return nil
}
