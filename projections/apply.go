package projections

import (
	"context"
	"errors"
	"reflect"
	"runtime/debug"

	"github.com/strandlog/strand/eventstore"
)

// delivery is one record on its way from the log into a commit.
type delivery struct {
	mark    Mark // once the record is projected
	size    int  // bytes that it holds in memory
	handled bool // a handler wants it; otherwise event is empty and only the mark counts
	event   eventstore.Event
	fault   error // why it cannot be handled; nil: it can, as far as is known
}

// matters says whether more than the mark counts.
func (d *delivery) matters() bool { return d.handled || d.fault != nil }

// application runs the handlers over one batch, inside a commit.
type application[T any] struct {
	projection *Projection[T]
	handlers   map[reflect.Type][]Handler[T]
	batch      []delivery
	failed     int // index of the delivery whose handler failed, -1 if none did
}

// gated is apply for a commit of a lane, whose handlers may ask what is new.
func (a *application[T]) gated(ctx context.Context, tx T, lane Lane[T]) error {
	g := gateOf(ctx, lane)
	err := a.apply(g.within(ctx), tx)
	if refused := g.failure(); refused != nil {
		a.failed = -1
		return refused
	}
	return err
}

// apply loads the rows of all folds, runs the handlers of single events in the order of the log, then those of batches.
func (a *application[T]) apply(ctx context.Context, tx T) error {
	a.failed = -1
	if err := a.load(ctx, tx); err != nil {
		return err
	}
	for i, d := range a.batch {
		if !d.handled {
			continue
		}
		for _, h := range a.handlers[reflect.TypeOf(d.event.Data)] {
			if h.one == nil {
				continue
			}
			if err := a.guard(i, func() error { return h.one(ctx, tx, d.event) }); err != nil {
				return err
			}
		}
	}
	for _, h := range a.projection.handlers {
		if h.many == nil {
			continue
		}
		events, first := a.eventsOf(h)
		if len(events) == 0 {
			continue
		}
		if len(events) > 1 { // which of them is at fault is found out in smaller commits
			if err := call(func() error { return h.many(ctx, tx, events) }); err != nil {
				return &DataError{Err: err}
			}
			continue
		}
		if err := a.guard(first, func() error { return h.many(ctx, tx, events) }); err != nil {
			return err
		}
	}
	return nil
}

// load brings the rows of the whole batch into tx at once.
func (a *application[T]) load(ctx context.Context, tx T) error {
	var (
		keys []string
		load func(context.Context, T, []string) error
	)
	for i, d := range a.batch {
		if !d.handled {
			continue
		}
		for _, h := range a.handlers[reflect.TypeOf(d.event.Data)] {
			if h.key == nil {
				continue
			}
			load = h.load
			err := a.guard(i, func() error {
				if key := h.key(d.event); key != "" {
					keys = append(keys, key)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return load(ctx, tx, keys)
}

func (a *application[T]) eventsOf(h Handler[T]) (events []eventstore.Event, first int) {
	for i, d := range a.batch {
		if d.handled && reflect.TypeOf(d.event.Data) == h.event {
			if len(events) == 0 {
				first = i
			}
			events = append(events, d.event)
		}
	}
	return events, first
}

// guard calls fn on behalf of a handler of the delivery i. An error or a panic of fn comes back as a HandlerError.
func (a *application[T]) guard(i int, fn func() error) error {
	err := call(fn)
	if err == nil {
		return nil
	}
	a.failed = i
	e := a.batch[i].event
	return &HandlerError{Projection: a.projection.ID(), Position: e.Position, Stream: e.Stream.String(), Type: e.Type, Err: err}
}

// blame takes an error of the sink for one of the only event that the commit has.
func (a *application[T]) blame(err error) error {
	if a.failed >= 0 || !errors.Is(err, ErrData) || errors.Is(err, ErrTransient) || errors.Is(err, ErrUnusable) {
		return err
	}
	only := -1
	for i, d := range a.batch {
		if d.handled && only >= 0 {
			return err
		}
		if d.handled {
			only = i
		}
	}
	if only < 0 {
		return err
	}
	return a.guard(only, func() error { return err })
}

// call turns a panic of fn into an error.
func call(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn()
}
