package projections

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
	"time"
)

// worker projects one partition: a goroutine of its own reads and decodes ahead while the worker's goroutine commits.
type worker[T any] struct {
	projection *Projection[T]
	handlers   map[reflect.Type][]Handler[T]
	lane       Lane[T]
	feed       *feed
	partition  int32
	options    options
	meter      *meter
}

// run projects until the feed ends (reached), ctx ends, or something fails. When ctx ends, the commit under way is finished.
func (w *worker[T]) run(ctx context.Context) (reached bool, err error) {
	read, stopReading := context.WithCancel(ctx)
	queue := newQueue(w.options.eventsMax, w.options.bytesMax)
	var reader sync.WaitGroup
	reader.Go(func() { queue.end(w.read(read, queue)) })
	defer reader.Wait()
	defer stopReading()

	work, release := grace(ctx, w.options.stopTimeout)
	defer release()
	pace := newPace(w.options.eventsMax)
	var batch []delivery
	for {
		batch, err = queue.take(ctx, batch[:0], pace.limit, w.options.bytesMax)
		switch {
		case ctx.Err() != nil:
			return false, nil
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("reading partition %d for projection %s: %w", w.partition, w.projection.ID(), err)
		}
		began := time.Now()
		if err := w.inParts(ctx, work, batch); err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, nil
		}
		pace.committed(len(batch), time.Since(began))
		clear(batch) // the events are the handlers' now; the worker must not keep them alive
	}
}

// inParts projects a batch, as one commit if it can be. A commit that fails for the moment is tried again with half the events, until ctx ends: then what
// was not committed is left. Commits of partitions that deadlock with each other would otherwise do so again, the same ones.
func (w *worker[T]) inParts(ctx, work context.Context, batch []delivery) error {
	for size := len(batch); len(batch) > 0; {
		size = min(size, len(batch))
		err := patiently(ctx, w.options.logger, func() error {
			err := w.observed(work, batch[:size])
			if errors.Is(err, ErrTransient) {
				size = max(1, size/2)
			}
			return err
		}, "projection", w.projection.ID().String(), "partition", w.partition)
		if err != nil || ctx.Err() != nil {
			return err
		}
		batch = batch[size:]
	}
	return nil
}

// read feeds the queue and says why it ended.
func (w *worker[T]) read(ctx context.Context, queue *queue) error {
	for d, err := range w.feed.deliveries(ctx, w.partition, w.lane.Checkpoint()) {
		if err != nil {
			return err
		}
		if err := queue.put(ctx, d); err != nil {
			return err
		}
	}
	if w.feed.live && ctx.Err() == nil {
		return errors.New("the log ended a read that has no end")
	}
	return io.EOF
}

// project commits a batch. If a handler refuses an event, everything before that event is committed without it, so that what
// is in the sink does not depend on where batches begin.
func (w *worker[T]) project(ctx context.Context, batch []delivery) error {
	failed, err := w.commit(ctx, batch)
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(ctx), ErrStopTimeout) {
		return fmt.Errorf("%w: projection %s, partition %d: the commit was rolled back after %s and will be done again: %w",
			ErrStopTimeout, w.projection.ID(), w.partition, w.options.stopTimeout, err)
	}
	if errors.Is(err, ErrTransient) {
		return err // all of it is tried again
	}
	if failed > 0 {
		if _, before := w.commit(ctx, batch[:failed]); before != nil {
			return errors.Join(err, before)
		}
	}
	return err
}

// commit gives the index of the delivery whose handler failed, or -1.
func (w *worker[T]) commit(ctx context.Context, batch []delivery) (failed int, err error) {
	next := batch[len(batch)-1].mark
	records := next.Next - w.lane.Checkpoint().Next
	run := application[T]{projection: w.projection, handlers: w.handlers, batch: batch, failed: -1}
	err = w.lane.Commit(ctx, next, func(tx T) error { return run.apply(ctx, tx) })
	switch {
	case err == nil:
		w.meter.add(records)
		return -1, nil
	case run.failed >= 0:
		return run.failed, err
	default:
		return -1, fmt.Errorf("committing partition %d of projection %s from offset %d up to %d: %w",
			w.partition, w.projection.ID(), w.lane.Checkpoint().Next, next.Next-1, err)
	}
}
