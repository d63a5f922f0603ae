package projections

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"

	"github.com/google/uuid"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// feed reads the partitions of a store's topic for one projection.
type feed struct {
	store   *eventstore.Store
	topic   commitlog.Topic
	id      ID
	handled map[reflect.Type]bool
	faults  bool // events that cannot be read are delivered as such; otherwise the first one ends the feed
	live    bool // goes on with what is appended later; otherwise it ends where the partitions ended when topic was read
}

// deliveries yields every record of a partition from a mark on. The record before the mark is read again, to see that
// it is still the one that the mark names.
func (f *feed) deliveries(ctx context.Context, partition int32, from Mark) iter.Seq2[delivery, error] {
	return func(yield func(delivery, error) bool) {
		end := f.topic.Partitions[partition].End
		if from.Next > end {
			if err := f.holds(ctx, partition, from.Next-1); err != nil {
				yield(delivery{}, err)
				return
			}
			end = from.Next
		}
		start, to := from.Next, end
		if from.EventID != uuid.Nil && from.Next > 0 {
			start--
		}
		if f.live {
			to = 0
		}
		for again := true; again; {
			again = false
			for d, err := range f.places(ctx, partition, start, from.Next, to) {
				switch {
				case err != nil:
					yield(delivery{}, err)
					return
				case d.mark.Next > from.Next:
					if !yield(d, nil) {
						return
					}
				case d.mark.LogEpoch < from.LogEpoch:
					yield(delivery{}, f.diverged(partition, "its leader is of epoch %d, the checkpoint was read from one of epoch %d", d.mark.LogEpoch, from.LogEpoch))
					return
				case d.mark.EventID != from.EventID:
					yield(delivery{}, f.diverged(partition, "the event at offset %d was %s and is %s", start, from.EventID, d.mark.EventID))
					return
				}
				if d.fault != nil { // a read ends with an event that it cannot decode
					start, again = d.mark.Next, true
				}
			}
		}
	}
}

// places reads a partition as deliveries. An event before passed that cannot be read does no harm any more.
func (f *feed) places(ctx context.Context, partition int32, from, passed, to int64) iter.Seq2[delivery, error] {
	return func(yield func(delivery, error) bool) {
		for e, err := range f.events(ctx, partition, from, to) {
			d := delivery{}
			if err == nil {
				d = f.deliver(e)
			} else if fault, ok := faultOf(err); ok && (f.faults || fault.mark.Next <= passed) {
				d, err = fault, nil
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// holds says whether the log reaches to an offset: what was said of its end when the topic was looked up may have come from a node that was behind.
func (f *feed) holds(ctx context.Context, partition int32, offset int64) error {
	for _, err := range f.store.Partition(ctx, partition, offset, offset+1, false) {
		if beyond, ok := errors.AsType[*commitlog.OffsetRangeError](err); ok {
			return f.diverged(partition, "the checkpoint is at offset %d, the log ends at %d", offset+1, beyond.End)
		}
		return err
	}
	return f.diverged(partition, "the checkpoint is at offset %d, beyond the end of the log", offset+1)
}

// events reads a partition. A range that is empty already is not asked for, because 0 has a meaning of its own as its end.
func (f *feed) events(ctx context.Context, partition int32, from, to int64) iter.Seq2[eventstore.Event, error] {
	if !f.live && from >= to {
		return func(func(eventstore.Event, error) bool) {}
	}
	return f.store.Partition(ctx, partition, from, to, f.live)
}

func (f *feed) deliver(e eventstore.Event) delivery {
	d := delivery{mark: Mark{Next: e.Position.Offset + 1, LogEpoch: e.Position.Epoch, EventID: e.ID}}
	if f.handled[reflect.TypeOf(e.Data)] {
		d.event, d.handled, d.size = e, true, sizeOf(e)
	}
	return d
}

func (f *feed) diverged(partition int32, format string, args ...any) error {
	return &DivergedError{Projection: f.id, Topic: f.topic.Name, Partition: partition, Reason: fmt.Sprintf(format, args...)}
}

func (f *feed) source() Source { return sourceOf(f.topic) }
