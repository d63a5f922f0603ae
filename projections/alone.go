package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// alone works on all partitions, one worker for each, until all have reached the end, one fails, or ctx ends.
func (j *job[T]) alone(ctx context.Context, live bool) (reached bool, err error) {
	workers, err := j.claimAll(ctx, live)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.close())
		}
	}()
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = nil // the stop came before the work
		}
		return false, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards failed and left
		failed  error
		left    = len(workers)
	)
	for _, w := range workers {
		running.Go(func() {
			reached, err := w.run(ctx)
			mu.Lock()
			defer mu.Unlock()
			if reached {
				left--
			}
			if err != nil && failed == nil {
				failed = err
				stop(err)
			}
		})
	}
	running.Wait()
	return left == 0, failed
}

// claimAll takes over all partitions. The workers that it gives are to be closed, also beside an error.
func (j *job[T]) claimAll(ctx context.Context, live bool) ([]*worker[T], error) {
	feed, err := j.feed(ctx, live)
	if err != nil {
		return nil, err
	}
	before, err := checkpoints(ctx, j.sink, j.projection.ID())
	if err != nil {
		return nil, err
	}
	// One epoch for all partitions, above all before: of two workers that start together, one takes over everything.
	epoch := uint64(1)
	for _, checkpoint := range before.Partitions {
		epoch = max(epoch, checkpoint.Epoch+1)
	}
	workers := make([]*worker[T], 0, len(feed.topic.Partitions))
	for i, at := range feed.topic.Partitions {
		w, err := j.claim(ctx, feed, int32(i), epoch)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
		j.meter.expect(at.End - max(w.lane.Checkpoint().Next, at.Start))
	}
	return workers, nil
}

// close releases the worker's lane.
func (w *worker[T]) close() error {
	if err := w.lane.Close(); err != nil {
		return fmt.Errorf("closing partition %d of projection %s: %w", w.partition, w.projection.ID(), err)
	}
	return nil
}
