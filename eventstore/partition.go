package eventstore

import (
	"context"
	"iter"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Partition yields one partition from an offset on, by ascending offset: up to an offset (exclusive; 0: the end as of now) or, when live,
// also what is yet to be appended. It is what projections read: a record that is no event to this store, because its category was not given
// or its type is skipped, comes with its place and without Data, so that a checkpoint can move over it.
// Errors: ErrOffsetOutOfRange, ErrUnknownType, ErrDecode, ErrCorrupt.
func (s *Store) Partition(ctx context.Context, partition int32, from, to int64, live bool) iter.Seq2[Event, error] {
	return s.places(ctx, partition, commitlog.Range{From: from, To: to, Live: live}, time.Time{})
}

// partition yields the events of a range, without those from before a time.
func (s *Store) partition(ctx context.Context, partition int32, r commitlog.Range, since time.Time) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for e, err := range s.places(ctx, partition, r, since) {
			if err == nil && e.Data == nil {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// places yields every record of a range but those from before a time, which are not even decoded.
func (s *Store) places(ctx context.Context, partition int32, r commitlog.Range, since time.Time) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for rec, err := range s.log.Records(ctx, s.topic, partition, r) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if rec.Time.Before(since) {
				continue
			}
			e, wanted, err := s.decode(&rec)
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !wanted {
				e = s.place(&rec)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// place is an event without its content.
func (s *Store) place(r *commitlog.Record) Event {
	e := Event{Position: s.positionOf(r.Partition, r.Offset, r.Epoch), Time: r.Time}
	if id, ok := header(r.Headers, wire.HeaderID); ok {
		e.ID = storedID(id)
	}
	return e
}

// sinceScanMax is the number of records among which the first one of a time is found faster by reading them than by asking again.
const sinceScanMax = 4096

// firstSince halves [from, to) until the first record of a time or later lies among the next sinceScanMax records.
// It relies on record time never running backwards within a partition.
func (s *Store) firstSince(ctx context.Context, partition int32, from, to int64, t time.Time) (int64, error) {
	for to-from > sinceScanMax {
		middle := from + (to-from)/2
		for rec, err := range s.log.Records(ctx, s.topic, partition, commitlog.Range{From: middle, To: middle + 1}) {
			switch {
			case err != nil:
				return 0, err
			case rec.Time.Before(t):
				from = middle + 1
			default:
				to = middle
			}
		}
	}
	return from, nil
}
