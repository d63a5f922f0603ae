package projections

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// Policy says what becomes of an event that a handler refuses again and again, or that cannot be decoded.
type Policy int

// The policies.
const (
	// Stop ends the worker with the reason. Nothing of the event and nothing behind it in its partition is done.
	Stop Policy = iota
	// Park sets the event aside, and with it the later events of its stream, in order; all other streams go on. The sink keeps them until an operator has
	// them tried again, or drops them.
	Park
	// Skip sets the event aside for the record, and goes on with the next one of its stream.
	Skip
)

// attemptsDefault is how often an event is tried before it counts as refused.
const attemptsDefault = 3

// OnError says what becomes of events that cannot be handled, after some attempts; 0: three. The sink must be able to keep them ([Parking]). Default: Stop, at
// the first refusal. Errors of the moment ([ErrTransient]) are none of the event.
func OnError(policy Policy, attempts int) Option {
	return func(o *options) {
		o.policy, o.attempts = policy, max(attempts, 0)
		if o.attempts == 0 {
			o.attempts = attemptsDefault
		}
	}
}

// ParkedEvent is an event that was set aside.
type ParkedEvent struct {
	Partition int32
	Stream    string
	Offset    int64
	ID        uuid.UUID
	Type      string
	Reason    string // why; empty: it waits behind one that has a reason
	Skipped   bool   // nothing waits behind it
	Retry     bool   // another attempt was asked for
	Attempts  int    // that were asked for, and failed
	Parked    time.Time
}

// Parking is implemented by lanes of sinks that can keep events which were set aside.
type Parking interface {
	// Waiting lists the streams of the partition that have events waiting, and whether another attempt is due: see [WaitingOf].
	Waiting(ctx context.Context) (map[string]bool, error)
	// First lists the first events of a stream that wait, by their offsets.
	First(ctx context.Context, stream string, max int) ([]ParkedEvent, error)

	// The others are called within the function of a Commit, and take effect with it.

	// SetAside keeps events.
	SetAside(events ...ParkedEvent)
	// Release forgets one that was handled.
	Release(offset int64)
	// Refuse notes that another attempt failed.
	Refuse(offset int64, reason string)
}

// WaitingOf is, for sinks, what [Parking] has to answer of a partition's events, by their offsets: the streams that wait, and whether another attempt is due,
// because it was asked for or because the event that the others wait for was dropped.
func WaitingOf(events []ParkedEvent) map[string]bool {
	waiting := map[string]bool{}
	for _, e := range events {
		if e.Skipped {
			continue
		}
		due, known := waiting[e.Stream]
		waiting[e.Stream] = due || e.Retry || !known && e.Reason == ""
	}
	return waiting
}

// reasonBytesMax is what is kept of a reason.
const reasonBytesMax = 4 << 10

// shortened is a reason as it is kept.
func shortened(err error) string {
	reason := err.Error()
	if len(reason) > reasonBytesMax {
		reason = strings.ToValidUTF8(reason[:reasonBytesMax], "") + "…"
	}
	return reason
}

// parked is a worker's part in parking.
type parked struct {
	sink    Parking         // nil: the sink keeps nothing
	streams map[string]bool // that wait
	looked  time.Time       // when it was last looked whether another attempt was asked for
	until   time.Time       // when it is time for other streams
	more    bool            // it was, and there is more to do
}

// park prepares a worker that begins.
func (w *worker[T]) park(ctx context.Context) error {
	w.parked = parked{streams: map[string]bool{}}
	sink, ok := w.lane.(Parking)
	switch {
	case ok:
		w.parked.sink = sink
	case w.options.policy != Stop:
		return &InvalidError{Projection: w.projection.name, Reason: fmt.Sprintf("OnError: sink %T keeps no events that cannot be handled: use another policy, or another sink", w.lane)}
	default:
		return nil
	}
	return w.lookParked(ctx)
}

// lookParked learns which streams wait.
func (w *worker[T]) lookParked(ctx context.Context) error {
	waiting, err := w.parked.sink.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("looking for parked events of projection %s: %w", w.projection.ID(), err)
	}
	w.parked.streams = make(map[string]bool, len(waiting))
	for stream := range waiting {
		w.parked.streams[stream] = true
	}
	return nil
}

// aside takes those out of a batch that are to be set aside. The batch keeps their places: their marks count.
func (w *worker[T]) aside(batch []delivery) (kept []delivery, aside []ParkedEvent) {
	kept = batch
	newly := map[string]bool{}
	for i := range batch {
		d := &batch[i]
		if d.fault == nil && (!d.handled || len(w.parked.streams)+len(newly) == 0) {
			continue
		}
		stream := d.event.Stream.String()
		waits := w.parked.streams[stream] || newly[stream]
		if d.fault == nil && !waits {
			continue
		}
		if len(aside) == 0 {
			kept = append([]delivery(nil), batch...)
		}
		kept[i].handled = false
		e := ParkedEvent{Partition: w.partition, Stream: stream, Offset: d.event.Position.Offset, ID: d.event.ID, Type: d.event.Type}
		if d.fault != nil && !waits {
			e.Reason, e.Skipped = shortened(d.fault), w.options.policy == Skip
			if !e.Skipped {
				newly[stream] = true
			}
		}
		aside = append(aside, e)
	}
	return kept, aside
}

// parkedEvents remembers the streams of what was set aside, once that is stored.
func (w *worker[T]) parkedEvents(aside []ParkedEvent) {
	for _, e := range aside {
		if !e.Skipped {
			w.parked.streams[e.Stream] = true
		}
		if e.Reason != "" {
			w.options.logger.Warn("an event that cannot be handled was set aside", "projection", w.projection.ID().String(), "partition", e.Partition, "offset", e.Offset,
				"stream", e.Stream, "error", e.Reason)
		}
	}
}

// refuse tries an event alone, as often as the policy says, and then sets it aside.
func (w *worker[T]) refuse(ctx context.Context, d delivery, reason error) error {
	for attempt := 1; attempt < w.options.attempts; attempt++ {
		long := min(pauseMin<<min(attempt, 10), pauseMax) // and a random part of it
		pause := time.NewTimer(long/2 + rand.N(long/2))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
		failed, err := w.commit(ctx, []delivery{d})
		if failed < 0 || errors.Is(err, ErrTransient) {
			return err
		}
		reason = err
	}
	d.fault = reason
	_, err := w.commit(ctx, []delivery{d})
	return err
}

const (
	retryEvery = time.Second            // how often a worker that has streams waiting looks whether another attempt was asked for
	retryTime  = 250 * time.Millisecond // how long it handles them before it looks for what has come meanwhile
)

// retry tries the streams again for which that was asked, each from its first event on, until one is refused.
func (w *worker[T]) retry(ctx context.Context) error {
	if time.Since(w.parked.looked) < retryEvery && !w.parked.more {
		return nil
	}
	w.parked.looked, w.parked.more = time.Now(), false
	waiting, err := w.parked.sink.Waiting(ctx)
	if err != nil {
		return fmt.Errorf("looking for parked events of projection %s: %w", w.projection.ID(), err)
	}
	w.parked.until = time.Now().Add(retryTime)
	for stream := range w.parked.streams {
		if _, still := waiting[stream]; !still { // it was dropped
			delete(w.parked.streams, stream)
		}
	}
	for stream, asked := range waiting {
		w.parked.streams[stream] = true
		if !asked {
			continue
		}
		if time.Now().After(w.parked.until) {
			w.parked.more = true
			return nil
		}
		done, err := w.retryStream(ctx, stream)
		if err != nil || w.parked.more {
			return err
		}
		if done {
			delete(w.parked.streams, stream)
		}
	}
	return nil
}

// retryMax is how many parked events are looked at in one go.
const retryMax = 100

func (w *worker[T]) retryStream(ctx context.Context, stream string) (done bool, err error) {
	for {
		first, err := w.parked.sink.First(ctx, stream, retryMax)
		if err != nil || len(first) == 0 {
			return err == nil, err
		}
		for _, e := range first {
			ok, err := w.retryOne(ctx, e)
			if err != nil || !ok {
				return false, err
			}
			if time.Now().After(w.parked.until) {
				w.parked.more = true
				return false, nil
			}
		}
	}
}

// retryOne handles a parked event as it can be read today, and releases it with the same commit.
func (w *worker[T]) retryOne(ctx context.Context, e ParkedEvent) (ok bool, err error) {
	var d delivery
	for event, err := range w.feed.store.Partition(ctx, w.partition, e.Offset, e.Offset+1, false) {
		if err != nil {
			fault, broken := faultOf(err)
			if errors.Is(err, commitlog.ErrUnavailable) {
				return false, &TransientError{Err: err}
			}
			if !broken {
				return false, err
			}
			return false, w.notOnce(ctx, e, fault.fault)
		}
		d = w.feed.deliver(event)
	}
	d.mark = w.lane.Checkpoint() // it was passed long ago
	run := application[T]{projection: w.projection, handlers: w.handlers, batch: []delivery{d}, failed: -1}
	err = w.lane.Commit(ctx, d.mark, func(tx T) error {
		w.parked.sink.Release(e.Offset)
		return run.gated(ctx, tx, w.lane)
	})
	err = run.blame(err)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrTransient) || errors.Is(err, ErrUnusable) || run.failed < 0:
		return false, err
	}
	return false, w.notOnce(ctx, e, err)
}

// notOnce notes that another attempt failed.
func (w *worker[T]) notOnce(ctx context.Context, e ParkedEvent, reason error) error {
	return w.lane.Commit(ctx, w.lane.Checkpoint(), func(T) error {
		w.parked.sink.Refuse(e.Offset, shortened(reason))
		return nil
	})
}

// faultOf is an event that the store could not read, as a delivery.
func faultOf(err error) (d delivery, ok bool) {
	if unread, ok := errors.AsType[*eventstore.DecodeError](err); ok {
		d.event = eventstore.Event{ID: unread.ID, Stream: unread.Stream, Type: unread.Type, Version: unread.Version, Position: unread.Position, Time: unread.Time}
	} else if unknown, ok := errors.AsType[*eventstore.UnknownTypeError](err); ok {
		d.event = eventstore.Event{ID: unknown.ID, Stream: unknown.Stream, Type: unknown.Type, Version: unknown.Version, Position: unknown.Position, Time: unknown.Time}
	} else {
		return d, false
	}
	d.fault = err
	d.mark = Mark{Next: d.event.Position.Offset + 1, LogEpoch: d.event.Position.Epoch, EventID: d.event.ID}
	return d, true
}
