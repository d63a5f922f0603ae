package eventstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// Query describes events, whatever their streams: those of one of the types, if any are given, that have all of the tags. The zero value is every event.
type Query struct {
	Types []string // names on the log, category.name; a name that is written today stands for those that are read as it, too
	Tags  []string
	Group string // not empty: only the partition of the streams with this {group} in their names
}

// ErrQuery is a query that can never be what was meant.
var ErrQuery = errors.New("eventstore: query cannot be asked")

// QueryError says what is wrong with a query. It is an ErrQuery.
type QueryError struct{ Reason string }

func (e *QueryError) Error() string { return "query: " + e.Reason }

// Is makes errors.Is(err, ErrQuery) true.
func (e *QueryError) Is(target error) bool { return target == ErrQuery }

// Query replays the events of a query from a cursor on, up to the end of the topic as of now, and moves the cursor along: what lies before it has been
// looked at. A decision that is made on those events is appended with [Unless] and the same query and cursor; when that fails, because there
// is more by now, Query goes on where it ended:
//
//	var cursor eventstore.Cursor
//	for {
//		for e, err := range store.Query(ctx, query, &cursor) { … }     // what the decision is about
//		…                                                              // decide
//		_, err := store.AppendAll(ctx, write, eventstore.Unless(query, cursor))
//		if !errors.Is(err, eventstore.ErrConditionFailed) { return err }
//	}
//
// Events of one partition come in their order; across partitions they are merged by record time, as in All. It reads what lies behind the cursor
// and leaves out what is not asked for, so it is as fast as the cursor is near. Errors: ErrQuery, and those of All.
func (s *Store) Query(ctx context.Context, q Query, cursor *Cursor) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f, err := s.filter(q)
		if err != nil {
			yield(Event{}, err)
			return
		}
		topic, err := s.Topic(ctx)
		if err == nil {
			err = cursor.Check(topic)
		}
		if err != nil {
			yield(Event{}, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m := &merge{}
		defer m.stop()
		looked := make([]int64, len(topic.Partitions))
		copy(looked, cursor.Next)
		at := cursorAt(topic, slices.Clone(looked))
		for _, p := range f.partitions {
			m.add(s.matching(ctx, p, f, &looked[p]))
		}
		for {
			e, ok, err := m.next()
			if err != nil {
				yield(Event{}, err)
				return
			}
			if !ok {
				*cursor = cursorAt(topic, looked)
				return
			}
			at = at.After(e.Position)
			if *cursor = at; !yield(e, nil) {
				return
			}
		}
	}
}

// matching yields the events of a partition that pass a filter, from looked on, which it moves over all that it reads.
func (s *Store) matching(ctx context.Context, partition int32, f *filter, looked *int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for rec, err := range s.log.Records(ctx, s.topic, partition, commitlog.Range{From: *looked}) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			*looked = rec.Offset + 1
			if !f.pass(rec.Headers) {
				continue
			}
			e, wanted, err := s.decode(&rec)
			if err != nil {
				yield(Event{}, err)
				return
			}
			if wanted && !yield(e, nil) {
				return
			}
		}
	}
}

// filter is a query as the log understands it.
type filter struct {
	types, tags []string
	partitions  []int32
}

// filter checks a query. A type that no schema has would let the query find nothing for ever, which nobody means.
func (s *Store) filter(q Query) (*filter, error) {
	f := &filter{}
	for _, name := range q.Types {
		r := s.registry.byName[name]
		if r == nil {
			return nil, &QueryError{Reason: fmt.Sprintf("event type %q is in no schema that the store was opened with: write it as category.name, and give its category to Open", name)}
		}
		f.types = append(append(f.types, name), s.registry.readAs[name]...)
	}
	for _, tag := range q.Tags {
		if tag == "" || len(tag) > wire.TermBytesMax {
			return nil, &QueryError{Reason: fmt.Sprintf("tag %q has %d bytes: tags have 1 to %d", tag, len(tag), wire.TermBytesMax)}
		}
	}
	f.types, f.tags = distinct(f.types), distinct(q.Tags)
	if n := max(len(f.types), len(f.tags)); n > wire.TermsMax {
		return nil, &QueryError{Reason: fmt.Sprintf("it names %d types, old names included, or tags: at most %d are possible", n, wire.TermsMax)}
	}
	if q.Group != "" {
		f.partitions = []int32{partitioner.Partition("{"+q.Group+"}", len(s.topic.Partitions))}
		return f, nil
	}
	for p := range s.topic.Partitions {
		f.partitions = append(f.partitions, int32(p))
	}
	return f, nil
}

func distinct(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// pass says whether a record with these headers is what the filter asks for.
func (f *filter) pass(headers []commitlog.Header) bool { return meets(headers, f.types, f.tags) }

// meets says whether an event has one of the types, if any are given, and all of the tags.
func meets(headers []commitlog.Header, types, tags []string) bool {
	var kind []byte
	for i := range headers {
		if headers[i].Key == wire.HeaderType {
			kind = headers[i].Value
		}
	}
	if len(types) > 0 && !slices.Contains(types, string(kind)) {
		return false
	}
	for _, tag := range tags {
		if !slices.ContainsFunc(headers, func(h commitlog.Header) bool { return h.Key == wire.HeaderTag && string(h.Value) == tag }) {
			return false
		}
	}
	return true
}
