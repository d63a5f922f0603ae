package eventstore_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

type Deposited struct{ Amount int }

type Withdrawn struct{ Amount int }

var account = eventstore.Category{Name: "account", Events: map[string]any{"deposited": Deposited{}, "withdrawn": Withdrawn{}}}

// open opens a store on a topic of a log, or fails the test.
func open(t *testing.T, log eventstore.Log, schemas ...eventstore.Schema) *eventstore.Store {
	t.Helper()
	store, err := eventstore.Open(t.Context(), log, eventstore.Config{}, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func mustAppend(t *testing.T, store *eventstore.Store, stream string, events ...any) eventstore.Appended {
	t.Helper()
	done, err := store.Append(t.Context(), stream, eventstore.Any, events...)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// read reads a sequence up to its end or its error.
func read(events iter.Seq2[eventstore.Event, error]) (all []eventstore.Event, err error) {
	for e, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// dataOf reads the data of a sequence that must not fail.
func dataOf(t *testing.T, events iter.Seq2[eventstore.Event, error]) []any {
	t.Helper()
	all, err := read(events)
	if err != nil {
		t.Fatal(err)
	}
	data := []any{}
	for _, e := range all {
		data = append(data, e.Data)
	}
	return data
}

// wantWords checks that an error's message names what it must.
func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

// raw appends a record past every schema, as another service or another time would have.
func raw(t *testing.T, log eventstore.Log, stream, typ, value string, headers ...commitlog.Header) {
	t.Helper()
	topic, err := log.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	record := commitlog.NewRecord{Value: []byte(value), Headers: headers}
	if typ != "" {
		record.Headers = append(slices.Clip(headers), commitlog.Header{Key: "type", Value: []byte(typ)})
	}
	_, err = log.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{Stream: stream, Expected: eventstore.Any, Events: []commitlog.NewRecord{record}}}})
	if err != nil {
		t.Fatal(err)
	}
}

// hookedLog lets a test stand between a store and its log.
type hookedLog struct {
	eventstore.Log
	topic   func(commitlog.Topic) commitlog.Topic
	append  func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error)
	records func(commitlog.Record) // sees each record of a partition that is read
}

func (l *hookedLog) Topic(ctx context.Context, name string) (commitlog.Topic, error) {
	t, err := l.Log.Topic(ctx, name)
	if l.topic != nil && err == nil {
		t = l.topic(t)
	}
	return t, err
}

func (l *hookedLog) Append(ctx context.Context, t commitlog.Topic, a commitlog.Append) (commitlog.Appended, error) {
	next := func() (commitlog.Appended, error) { return l.Log.Append(ctx, t, a) }
	if l.append == nil {
		return next()
	}
	return l.append(a, next)
}

func (l *hookedLog) Records(ctx context.Context, t commitlog.Topic, partition int32, r commitlog.Range) iter.Seq2[commitlog.Record, error] {
	return func(yield func(commitlog.Record, error) bool) {
		for record, err := range l.Log.Records(ctx, t, partition, r) {
			if l.records != nil && err == nil {
				l.records(record)
			}
			if !yield(record, err) {
				return
			}
		}
	}
}
