package eventstore

import (
	"context"
	"iter"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// AllOption narrows what All and Tail yield.
type AllOption func(*allRange)

type allRange struct {
	after Cursor
	since time.Time
}

// After begins behind a cursor. One of another topic or log is ErrUnreachable.
func After(c Cursor) AllOption { return func(r *allRange) { r.after = c } }

// Since begins with the first event that was recorded at a time or later.
func Since(t time.Time) AllOption { return func(r *allRange) { r.since = t } }

// All replays the history of the topic up to its end as of now. Events of one partition, and so of one stream, come in their order;
// across partitions they are merged by record time, which is an order for readers, not a promise.
//
// It reads all partitions at once, and so holds what the log reads ahead for each. Errors: ErrUnreachable, ErrUnknownType, ErrDecode,
// ErrCorrupt and what else ends the reading of a partition.
func (s *Store) All(ctx context.Context, options ...AllOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, topic, err := s.rangeOf(ctx, options)
		if err != nil {
			yield(Event{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var parts []iter.Seq2[Event, error]
		for i, at := range topic.Partitions {
			from := r.from(i)
			if from == at.End {
				continue
			}
			to := at.End
			if from > to {
				to = 0 // the description may be behind the cursor; whether the log is, the log knows
			}
			parts = append(parts, s.part(ctx, int32(i), commitlog.Range{From: from, To: to}, at.End, r.since))
		}
		if len(parts) == 1 { // nothing to merge, which would cost a switch of coroutines for each event
			parts[0](yield)
			return
		}
		mergeAll(parts, yield)
	}
}

// mergeAll yields the events of all parts by record time.
func mergeAll(parts []iter.Seq2[Event, error], yield func(Event, error) bool) {
	m := &merge{}
	defer m.stop()
	for _, part := range parts {
		m.add(part)
	}
	for {
		e, ok, err := m.next()
		if err != nil {
			yield(Event{}, err)
			return
		}
		if !ok || !yield(e, nil) {
			return
		}
	}
}

func (s *Store) rangeOf(ctx context.Context, options []AllOption) (allRange, commitlog.Topic, error) {
	var r allRange
	for _, o := range options {
		o(&r)
	}
	topic, err := s.Topic(ctx)
	if err == nil {
		err = r.after.Check(topic)
	}
	return r, topic, err
}

func (r *allRange) from(partition int) int64 {
	if partition < len(r.after.Next) {
		return r.after.Next[partition]
	}
	return 0
}

// part yields the events of one partition's range from a time on. end is where the partition ends now.
func (s *Store) part(ctx context.Context, partition int32, r commitlog.Range, end int64, since time.Time) iter.Seq2[Event, error] {
	if since.IsZero() {
		return s.partition(ctx, partition, r, since)
	}
	return func(yield func(Event, error) bool) {
		from, err := s.firstSince(ctx, partition, r.From, end, since)
		if err != nil {
			yield(Event{}, err)
			return
		}
		s.partition(ctx, partition, commitlog.Range{From: from, To: r.To, Live: r.Live}, since)(yield)
	}
}
