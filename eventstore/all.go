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
func (s *Store) All(ctx context.Context, options ...AllOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, topic, err := s.rangeOf(ctx, options)
		if err != nil {
			yield(Event{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var parts []*part
		defer func() {
			for _, p := range parts {
				p.stop()
			}
		}()
		for i, at := range topic.Partitions {
			from := r.from(i)
			if from >= at.End {
				continue
			}
			p := &part{}
			p.next, p.stop = iter.Pull2(s.since(s.Partition(ctx, int32(i), from, at.End, false), r.since))
			parts = append(parts, p)
		}
		merge(parts, yield)
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

// since drops events from before a time. Within a partition record time never runs backwards.
func (s *Store) since(events iter.Seq2[Event, error], t time.Time) iter.Seq2[Event, error] {
	if t.IsZero() {
		return events
	}
	return func(yield func(Event, error) bool) {
		for e, err := range events {
			if err == nil && e.Time.Before(t) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// part is one partition of a merge.
type part struct {
	next func() (Event, error, bool)
	stop func()
	head Event
}

// advance fetches the part's next event, and says whether there is one.
func (p *part) advance() (bool, error) {
	e, err, ok := p.next()
	p.head = e
	return ok && err == nil, err
}

// merge yields the events of sorted parts by record time. With one part left nothing is compared.
func merge(parts []*part, yield func(Event, error) bool) {
	live := make([]*part, 0, len(parts))
	for _, p := range parts {
		ok, err := p.advance()
		if err != nil {
			yield(Event{}, err)
			return
		}
		if ok {
			live = append(live, p)
		}
	}
	for len(live) > 0 {
		first := 0
		for i := range live {
			if live[i].head.Time.Before(live[first].head.Time) {
				first = i
			}
		}
		p := live[first]
		if !yield(p.head, nil) {
			return
		}
		ok, err := p.advance()
		if err != nil {
			yield(Event{}, err)
			return
		}
		if !ok {
			live = append(live[:first], live[first+1:]...)
		}
	}
}
