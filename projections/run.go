package projections

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/strandlog/strand/eventstore"
)

// Run projects the store's topic into sink, from the checkpoints on and then live, until ctx ends. Then it lets the commit
// under way finish within [StopTimeout] and returns nil. It works on all partitions at once, on each in order.
//
// Any other return is an error: [ErrHandler] for an event that a handler refused, [ErrFenced] when another worker took over,
// [ErrLogDiverged] when checkpoint and log do not belong together, [ErrInvalid], [ErrStopTimeout], or the error
// of the log or the sink. Run can be called again after any of them: it goes on where the sink stands.
func Run[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	_, err := work(ctx, store, p, sink, true, newOptions(opts))
	return err
}

// CatchUp projects what the topic holds at this moment and returns. Its errors are those of [Run], and the cause of ctx if that ends
// before the work does; what was committed until then stays.
func CatchUp[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	reached, err := work(ctx, store, p, sink, false, newOptions(opts))
	if err == nil && !reached {
		return context.Cause(ctx)
	}
	return err
}

// Rebuild clears the read model of this projection version, fences the workers that write to it, and projects the topic
// from its start up to this moment. If it is interrupted, [CatchUp] or [Run] goes on with it.
func Rebuild[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	if _, err := p.byType(store); err != nil {
		return err
	}
	if err := sink.Reset(ctx, p.ID()); err != nil {
		return fmt.Errorf("clearing the read model of projection %s: %w", p.ID(), err)
	}
	return CatchUp(ctx, store, p, sink, opts...)
}

// work runs one worker per partition until all have reached the end, one fails, or ctx ends. reached says that
// there is nothing left to do.
func work[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], live bool, o options) (reached bool, err error) {
	if ctx.Err() != nil {
		return false, nil
	}
	meter := newMeter(o.progress)
	if o.observer != nil {
		observed, done := o.observer.RunStart(ctx, RunInfo{
			Projection: p.ID(), Live: live, Progress: meter.now,
			Lag: func(ctx context.Context) (Behind, error) { return Lag(ctx, store, p, sink) },
		})
		ctx = observed
		defer func() { done(RunResult{Err: err}) }()
	}
	workers, err := claim(ctx, store, p, sink, live, o, meter)
	defer func() {
		for _, w := range workers {
			if failed := w.lane.Close(); failed != nil {
				err = errors.Join(err, fmt.Errorf("closing partition %d of projection %s: %w", w.partition, p.ID(), failed))
			}
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
	if len(workers) > 0 {
		workers[0].meter.finish()
	}
	return left == 0, failed
}

// claim prepares the sink and takes over all partitions. The workers that it gives have lanes to be closed, also beside an error.
func claim[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], live bool, o options, meter *meter) ([]*worker[T], error) {
	handlers, err := p.byType(store)
	if err != nil {
		return nil, err
	}
	handled := make(map[reflect.Type]bool, len(handlers))
	for event := range handlers {
		handled[event] = true
	}
	topic, err := store.Topic(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking up the topic of projection %s: %w", p.ID(), err)
	}
	feed := &feed{store: store, topic: topic, id: p.ID(), handled: handled, live: live}

	if p.setup != nil {
		err := sink.Setup(ctx, p.ID(), func(tx T) error {
			return call(func() error { return p.setup(ctx, tx) })
		})
		if err != nil {
			return nil, fmt.Errorf("setting up projection %s: %w", p.ID(), err)
		}
	}
	before, err := checkpoints(ctx, sink, p.ID())
	if err != nil {
		return nil, err
	}

	// One epoch for all partitions, above all before: of two workers that start together, one takes over everything.
	epoch := uint64(1)
	for _, checkpoint := range before.Partitions {
		epoch = max(epoch, checkpoint.Epoch+1)
	}
	source := feed.source()
	workers := make([]*worker[T], 0, len(topic.Partitions))
	for i := range topic.Partitions {
		partition := int32(i)
		lane, err := sink.Claim(ctx, Claim{
			Projection: p.name,
			Version:    p.version,
			Topic:      source.Topic,
			TopicID:    source.TopicID,
			LogID:      source.LogID,
			Partition:  partition,
			Epoch:      epoch,
		})
		if err != nil {
			return workers, fmt.Errorf("claiming partition %d for projection %s: %w", partition, p.ID(), err)
		}
		workers = append(workers, &worker[T]{
			projection: p,
			handlers:   handlers,
			lane:       lane,
			feed:       feed,
			partition:  partition,
			options:    o,
			meter:      meter,
		})
		meter.expect(topic.Partitions[i].End - max(lane.Checkpoint().Next, topic.Partitions[i].Start))
	}
	return workers, nil
}
