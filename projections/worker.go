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
	parked     parked
}

// run projects until the feed ends (reached), ctx ends, or something fails. When ctx ends, the commit under way is finished.
func (w *worker[T]) run(ctx context.Context) (reached bool, err error) {
	switch err := w.patiently(ctx, func() error { return w.park(ctx) }); {
	case ctx.Err() != nil:
		return false, nil
	case err != nil:
		return false, err
	}
	read, stopReading := context.WithCancel(ctx)
	queue := newQueue(w.options.eventsMax, w.options.bytesMax)
	var reader sync.WaitGroup
	from := w.lane.Checkpoint()
	reader.Go(func() { queue.end(w.read(read, from, queue)) })
	defer reader.Wait()
	defer stopReading()

	work, release := grace(ctx, w.options.stopTimeout)
	defer release()
	pace := newPace(w.options.eventsMax)
	var batch []delivery
	for {
		batch, err = w.take(ctx, work, queue, batch[:0], pace.limit)
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
		err := w.patiently(ctx, func() error {
			err := w.observed(work, batch[:size])
			if errors.Is(err, ErrTransient) {
				size = max(1, size/2)
			}
			return err
		})
		if err != nil || ctx.Err() != nil {
			return err
		}
		batch = batch[size:]
	}
	return nil
}

// patiently repeats try while the sink says that it may succeed a moment later.
func (w *worker[T]) patiently(ctx context.Context, try func() error) error {
	return patiently(ctx, w.options.logger, try, "projection", w.projection.ID().String(), "partition", w.partition)
}

// read feeds the queue and says why it ended.
func (w *worker[T]) read(ctx context.Context, from Mark, queue *queue) error {
	for d, err := range w.feed.deliveries(ctx, w.partition, from) {
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

// take waits for deliveries, and meanwhile has an eye on the streams that wait.
func (w *worker[T]) take(ctx, work context.Context, queue *queue, batch []delivery, limit int) ([]delivery, error) {
	for {
		waiting, cancel := ctx, context.CancelFunc(func() {})
		if len(w.parked.streams) > 0 {
			if err := w.patiently(ctx, func() error { return w.retry(work) }); err != nil {
				return nil, err
			}
			pause := retryEvery
			if w.parked.more { // those that flow come in between
				pause = time.Millisecond
			}
			waiting, cancel = context.WithTimeout(ctx, pause)
		}
		got, err := queue.take(waiting, batch, limit, w.options.bytesMax)
		ended := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !ended || !errors.Is(err, context.DeadlineExceeded) {
			return got, err
		}
	}
}

// project commits a batch, from where the lane is. If a handler refuses an event, everything before that event is committed without it, so that what
// is in the sink does not depend on where batches begin. Then the policy says what becomes of the event.
func (w *worker[T]) project(ctx context.Context, batch []delivery) error {
	at := w.lane.Checkpoint().Next
	again := len(batch) > 0 && batch[0].mark.Next <= at
	for len(batch) > 0 && batch[0].mark.Next <= at { // an earlier try came that far
		batch = batch[1:]
	}
	if again && w.parked.sink != nil { // it may have set events aside without being told that it did
		if err := w.lookParked(ctx); err != nil {
			return err
		}
	}
	for len(batch) > 0 {
		failed, err := w.commit(ctx, batch)
		if err == nil {
			return nil
		}
		if errors.Is(context.Cause(ctx), ErrStopTimeout) {
			return fmt.Errorf("%w: projection %s, partition %d: the commit was rolled back after %s and will be done again: %w",
				ErrStopTimeout, w.projection.ID(), w.partition, w.options.stopTimeout, err)
		}
		if errors.Is(err, ErrTransient) {
			return err // what is not committed is tried again
		}
		if failed < 0 && errors.Is(err, ErrData) && !errors.Is(err, ErrUnusable) && len(batch) > 1 {
			half := len(batch) / 2
			if err := w.project(ctx, batch[:half]); err != nil {
				return err
			}
			batch = batch[half:]
			continue
		}
		if failed > 0 { // there may be another one among them, which the sink found, or would have found, later
			if err := w.project(ctx, batch[:failed]); err != nil {
				return err
			}
		}
		if failed < 0 || w.options.policy == Stop || errors.Is(err, ErrUnusable) {
			return err
		}
		if err := w.refuse(ctx, batch[failed], err); err != nil {
			return err
		}
		batch = batch[failed+1:]
	}
	return nil
}

// commit gives the index of the delivery whose handler failed, or -1.
func (w *worker[T]) commit(ctx context.Context, batch []delivery) (failed int, err error) {
	next := batch[len(batch)-1].mark
	records := next.Next - w.lane.Checkpoint().Next
	kept, aside := w.aside(batch)
	run := application[T]{projection: w.projection, handlers: w.handlers, batch: kept, failed: -1}
	err = w.lane.Commit(ctx, next, func(tx T) error {
		if len(aside) > 0 {
			w.parked.sink.SetAside(aside...)
		}
		return run.gated(ctx, tx, w.lane)
	})
	err = run.blame(err)
	switch {
	case err == nil:
		w.meter.add(records)
		w.parkedEvents(aside)
		return -1, nil
	case run.failed >= 0:
		return run.failed, err
	default:
		return -1, fmt.Errorf("committing partition %d of projection %s from offset %d up to %d: %w",
			w.partition, w.projection.ID(), w.lane.Checkpoint().Next, next.Next-1, err)
	}
}
