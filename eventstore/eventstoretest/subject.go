package eventstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/partitioner"
)

// subject is one log under test, with shorthands that fail the test.
type subject struct {
	*testing.T
	log eventstore.Log
}

// patience bounds a wait for what must come.
const patience = time.Minute

// within returns a context that ends before the test hangs.
func (s *subject) within() context.Context {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	s.Cleanup(cancel)
	return ctx
}

// newName returns a topic name that was not used before.
func newName() string { return "law-" + strings.ReplaceAll(uuid.NewString(), "-", "") }

// partitions is how many partitions a topic of the suite has, unless the law is about that.
const partitions = 4

// newTopic creates a topic with one shard.
func (s *subject) newTopic() commitlog.Topic {
	s.Helper()
	return s.create(commitlog.TopicConfig{Name: newName(), Partitions: partitions, Shards: 1})
}

func (s *subject) create(cfg commitlog.TopicConfig) commitlog.Topic {
	s.Helper()
	t, err := s.log.CreateTopic(s.Context(), cfg)
	if err != nil {
		s.Fatalf("creating topic %+v: %v", cfg, err)
	}
	return t
}

func (s *subject) lookUp(name string) commitlog.Topic {
	s.Helper()
	t, err := s.log.Topic(s.Context(), name)
	if err != nil {
		s.Fatalf("looking up topic %q: %v", name, err)
	}
	return t
}

// write is a write of events with these values.
func write(stream string, expected commitlog.Expected, values ...string) commitlog.Write {
	w := commitlog.Write{Stream: stream, Expected: expected}
	for _, v := range values {
		w.Events = append(w.Events, commitlog.NewRecord{Value: []byte(v)})
	}
	return w
}

// withIDs gives the events of a write ids that can be told apart.
func withIDs(w commitlog.Write) commitlog.Write {
	for i := range w.Events {
		w.Events[i].ID = uuid.Must(uuid.NewV7())
	}
	return w
}

func (s *subject) append(t commitlog.Topic, writes ...commitlog.Write) (commitlog.Appended, error) {
	return s.log.Append(s.Context(), t, commitlog.Append{Writes: writes})
}

func (s *subject) mustAppend(t commitlog.Topic, writes ...commitlog.Write) commitlog.Appended {
	s.Helper()
	done, err := s.append(t, writes...)
	if err != nil {
		s.Fatalf("appending to %q: %v", writes[0].Stream, err)
	}
	if len(done.Writes) != len(writes) {
		s.Fatalf("appending %d writes: the answer tells of %d", len(writes), len(done.Writes))
	}
	return done
}

// stream reads a stream.
func (s *subject) stream(t commitlog.Topic, q commitlog.StreamQuery) []commitlog.StreamRecord {
	s.Helper()
	return collect(s, s.log.Stream(s.Context(), t, q))
}

// partition reads a range of a partition.
func (s *subject) partition(t commitlog.Topic, partition int32, r commitlog.Range) []commitlog.Record {
	s.Helper()
	return collect(s, s.log.Records(s.Context(), t, partition, r))
}

// collect reads a sequence to its end.
func collect[T any](s *subject, seq iter.Seq2[T, error]) []T {
	s.Helper()
	var all []T
	for v, err := range seq {
		if err != nil {
			s.Fatalf("reading, after %d: %v", len(all), err)
		}
		all = append(all, v)
	}
	return all
}

// errorOf reads a sequence to its end and returns its error. Nothing may come behind an error.
func errorOf[T any](s *subject, seq iter.Seq2[T, error]) error {
	s.Helper()
	var last error
	for _, err := range seq {
		if last != nil {
			s.Errorf("a sequence goes on after its error %q", last)
		}
		last = err
	}
	return last
}

// texts are the values of a stream's records.
func texts(records []commitlog.StreamRecord) []string {
	values := []string{}
	for _, r := range records {
		values = append(values, string(r.Value))
	}
	return values
}

// holds counts what a topic holds, by reading all its partitions.
func (s *subject) holds(t commitlog.Topic) int {
	s.Helper()
	n := 0
	for p := range t.Partitions {
		n += len(s.partition(t, int32(p), commitlog.Range{}))
	}
	return n
}

// wantHolds checks that a refused append has left nothing behind.
func (s *subject) wantHolds(t commitlog.Topic, want int) {
	s.Helper()
	if n := s.holds(t); n != want {
		s.Errorf("the topic holds %d events, want %d", n, want)
	}
}

// wantErr checks an error's identity, and that it names something.
func wantErr(s *subject, what string, err, want error, named string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: got %v, want %q", what, err, want)
		return
	}
	if !strings.Contains(err.Error(), named) {
		s.Errorf("%s: the error %q does not name %q", what, err, named)
	}
}

// headerOf returns the value of a header that occurs once.
func headerOf(s *subject, r *commitlog.Record, key string) []byte {
	s.Helper()
	var values [][]byte
	for _, h := range r.Headers {
		if h.Key == key {
			values = append(values, h.Value)
		}
	}
	if len(values) != 1 {
		s.Fatalf("the record at offset %d has header %q %d times: %q", r.Offset, key, len(values), bytes.Join(values, []byte(", ")))
	}
	return values[0]
}

// parallel runs n functions at once and waits for them. They report with Error.
func parallel(n int, fn func(i int)) {
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			fn(i)
		})
	}
	close(start)
	all.Wait()
}

// noted is the event of the suite's stores.
type noted struct{ Text string }

// notes is the category of the suite's stores.
func notes() eventstore.Category {
	return eventstore.Category{Name: "note", Events: map[string]any{"noted": noted{}}}
}

// newStore opens a store on a topic of its own.
func (s *subject) newStore() *eventstore.Store {
	s.Helper()
	store, err := eventstore.Open(s.Context(), s.log, eventstore.Config{Topic: newName(), Partitions: partitions, Shards: 1}, notes())
	if err != nil {
		s.Fatalf("opening a store: %v", err)
	}
	return store
}

// note appends events with these texts and returns where the last one lies.
func (s *subject) note(store *eventstore.Store, stream string, texts ...string) eventstore.Appended {
	s.Helper()
	events := make([]any, len(texts))
	for i, text := range texts {
		events[i] = noted{text}
	}
	done, err := store.Append(s.Context(), stream, eventstore.Any, events...)
	if err != nil {
		s.Fatalf("appending to %q: %v", stream, err)
	}
	return done
}

// noteMany spreads n events over many streams and all partitions. Each text says the stream's version.
func (s *subject) noteMany(store *eventstore.Store, n int) {
	s.Helper()
	const streams = 10
	for i := range n {
		s.note(store, fmt.Sprintf("note-%d", i%streams), fmt.Sprint(i/streams+1))
	}
}

// partitionOf is the partition of a stream of a topic.
func partitionOf(t commitlog.Topic, stream string) int32 {
	return partitioner.Partition(stream, len(t.Partitions))
}
