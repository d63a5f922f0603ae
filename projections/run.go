package projections

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/strandlog/strand/eventstore"
)

// Run projects the store's topic into sink, from the checkpoints on and then live, until ctx ends. Then it lets the commit
// under way finish within [StopTimeout] and returns nil. It works on all its partitions at once, on each in order.
//
// Those that run one projection version into one sink share the partitions, as members of a consumer group ([Group]): when one dies, the others go
// on with its partitions. A [Private] sink, and a log in memory, have one worker, which takes all.
//
// Any other return is an error: [ErrHandler] for an event that a handler refused, [ErrFenced] when another worker took over,
// [ErrLogDiverged] when checkpoint and log do not belong together, [ErrInvalid], [ErrStopTimeout], or the error
// of the log or the sink. Run can be called again after any of them: it goes on where the sink stands.
func Run[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	_, err := work(ctx, store, p, sink, true, newOptions(opts))
	return err
}

// CatchUp projects what the topic holds at this moment, or helps those that do, and returns when it is in the sink. Its errors are those of [Run], and the cause of ctx if that ends
// before the work does; what was committed until then stays.
func CatchUp[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	reached, err := work(ctx, store, p, sink, false, newOptions(opts))
	if err == nil && !reached {
		return context.Cause(ctx)
	}
	return err
}

// Rebuild clears the read model of this projection version, and projects the topic from its start up to this moment, together with the workers that share
// it. A worker of a [Private] sink is fenced. If it is interrupted, [CatchUp] or [Run] goes on with it.
func Rebuild[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T], opts ...Option) error {
	if _, err := p.byType(store); err != nil {
		return err
	}
	now, err := checkpoints(ctx, sink, p.ID())
	if err != nil {
		return err
	}
	if now.Paused {
		return &InvalidError{Projection: p.ID().Name, Reason: fmt.Sprintf("version %d is paused, so that nothing would fill what a rebuild clears: resume it first, such as with brokerd projections resume", p.ID().Version)}
	}
	if err := sink.Reset(ctx, p.ID()); err != nil {
		return fmt.Errorf("clearing the read model of projection %s: %w", p.ID(), err)
	}
	if shares(store, sink) { // workers that have nothing to commit would not notice
		group, err := Group(ctx, p.ID(), sink)
		if err != nil {
			return err
		}
		if err := store.Reassign(ctx, group); err != nil {
			return fmt.Errorf("having the workers of projection %s begin anew: %w", p.ID(), err)
		}
	}
	return CatchUp(ctx, store, p, sink, opts...)
}

// work projects until everything there was is projected (reached), something fails, or ctx ends.
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
	j := &job[T]{store: store, projection: p, sink: sink, options: o, meter: meter}
	err = j.prepare(ctx)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return false, nil // the stop came before the work
	case err != nil:
		return false, err
	case !shares(store, sink):
		reached, err = j.alone(ctx, live)
	case live:
		err = j.share(ctx)
	default:
		reached, err = j.shareOnce(ctx)
	}
	meter.finish()
	return reached, err
}

// job is one call of Run or CatchUp.
type job[T any] struct {
	store      *eventstore.Store
	projection *Projection[T]
	sink       Sink[T]
	options    options
	meter      *meter

	handlers map[reflect.Type][]Handler[T]
	handled  map[reflect.Type]bool
}

// prepare checks the definition and sets the sink up.
func (j *job[T]) prepare(ctx context.Context) error {
	if err := j.learn(); err != nil {
		return err
	}
	return j.setUp(ctx)
}

// learn finds the handlers of each type.
func (j *job[T]) learn() (err error) {
	if j.handlers, err = j.projection.byType(j.store); err != nil {
		return err
	}
	j.handled = make(map[reflect.Type]bool, len(j.handlers))
	for event := range j.handlers {
		j.handled[event] = true
	}
	return nil
}

// setUp has the sink set up, unless it is.
func (j *job[T]) setUp(ctx context.Context) error {
	p := j.projection
	if p.setup == nil {
		return nil
	}
	if err := j.sink.Setup(ctx, p.ID(), func(tx T) error {
		return call(func() error { return p.setup(ctx, tx) })
	}); err != nil {
		return fmt.Errorf("setting up projection %s: %w", p.ID(), err)
	}
	return nil
}

// feed reads the topic as it is now.
func (j *job[T]) feed(ctx context.Context, live bool) (*feed, error) {
	topic, err := j.store.Topic(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking up the topic of projection %s: %w", j.projection.ID(), err)
	}
	return &feed{store: j.store, topic: topic, id: j.projection.ID(), handled: j.handled, live: live, faults: j.options.policy != Stop}, nil
}

// claim takes a partition over.
func (j *job[T]) claim(ctx context.Context, feed *feed, partition int32, epoch uint64) (*worker[T], error) {
	p, source := j.projection, feed.source()
	lane, err := j.sink.Claim(ctx, Claim{
		Projection: p.name, Version: p.version, Topic: source.Topic, TopicID: source.TopicID, LogID: source.LogID, Partitions: source.Partitions,
		Partition: partition, Epoch: epoch,
	})
	if err != nil {
		return nil, fmt.Errorf("claiming partition %d for projection %s: %w", partition, p.ID(), err)
	}
	return &worker[T]{
		projection: p, handlers: j.handlers, lane: lane, feed: feed, partition: partition, options: j.options, meter: j.meter,
	}, nil
}
