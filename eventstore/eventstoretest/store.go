package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/eventstore"
)

// unstamped leaves out of an event what depends on who answered.
func unstamped(e eventstore.Event) eventstore.Event {
	e.Position.Epoch = 0
	return e
}

func (s *subject) testEvents() {
	store := s.newStore()
	ctx := eventstore.WithMetadata(s.Context(), eventstore.Metadata{CorrelationID: "c-1", Tenant: "acme", Tags: []string{"b", "a"}})
	done, err := store.AppendAll(ctx,
		eventstore.Write{Stream: "note-ä", Events: []any{noted{"one"}, noted{"two"}}, IDs: []uuid.UUID{uuid.New(), uuid.New()}, Metadata: eventstore.Metadata{
			CausationID: "c-0", Traceparent: "00-1-2-03", Actor: "bob", User: map[string]string{"ip": "::1", "": ""}, Tags: []string{"c"},
		}},
		eventstore.Write{Stream: "note-b", Events: []any{noted{"three"}}},
	)
	if err != nil {
		s.Fatal(err)
	}
	for _, appended := range done {
		got := collect(s, store.Stream(s.Context(), string(appended.Stream)))
		if len(got) != len(appended.Events) {
			s.Fatalf("stream %q has %d events, want %d", appended.Stream, len(got), len(appended.Events))
		}
		for i, e := range got {
			if want := appended.Events[i]; !reflect.DeepEqual(unstamped(e), unstamped(want)) {
				s.Errorf("read %+v, appended %+v", e, want)
			}
			if e.Metadata.CorrelationID != "c-1" || e.Version != int64(i)+1 || e.Time.Location() != time.UTC {
				s.Errorf("read %+v", e)
			}
			inPartition := collect(s, store.Partition(s.Context(), e.Position.Partition, e.Position.Offset, e.Position.Offset+1, false))
			if len(inPartition) != 1 || !reflect.DeepEqual(unstamped(inPartition[0]), unstamped(e)) {
				s.Errorf("position %s holds %+v, want %+v", e.Position, inPartition, e)
			}
		}
		last := got[len(got)-1]
		if appended.Version != last.Version || appended.Position.Offset != last.Position.Offset || appended.Position.String() != last.Position.String() {
			s.Errorf("appended up to version %d at %s, the last event is version %d at %s", appended.Version, appended.Position, last.Version, last.Position)
		}
	}
}

// check follows a replay: every event must be the next of its stream and lie behind the one before in its partition.
type check struct {
	next   map[eventstore.StreamName]int64
	offset map[int32]int64
	count  int
}

func newCheck() *check {
	return &check{next: map[eventstore.StreamName]int64{}, offset: map[int32]int64{}}
}

func (c *check) follow(e eventstore.Event) error {
	c.count++
	c.next[e.Stream]++
	switch version := c.next[e.Stream]; {
	case e.Version != version:
		return fmt.Errorf("version %d of stream %q comes where version %d must be", e.Version, e.Stream, version)
	case e.Data != noted{strconv.FormatInt(version, 10)}:
		return fmt.Errorf("version %d of stream %q is %+v", version, e.Stream, e.Data)
	case e.Position.Offset < c.offset[e.Position.Partition]:
		return fmt.Errorf("%s comes behind offset %d", e.Position, c.offset[e.Position.Partition]-1)
	}
	c.offset[e.Position.Partition] = e.Position.Offset + 1
	return nil
}

func (s *subject) testAll() {
	store := s.newStore()
	if n := len(collect(s, store.All(s.Context()))); n != 0 {
		s.Errorf("a new topic has %d events", n)
	}
	s.noteMany(store, 200)
	c := newCheck()
	var last time.Time
	for e, err := range store.All(s.within()) {
		if err == nil {
			err = c.follow(e)
		}
		if err != nil {
			s.Fatal(err)
		}
		if e.Time.Before(last) {
			s.Errorf("%s, recorded at %v, comes behind an event of %v", e.Position, e.Time, last)
		}
		last = e.Time
		if c.count < 20 {
			s.note(store, "note-later", strconv.Itoa(c.count)) // behind the end as of now
		}
	}
	if c.count != 200 || c.next["note-later"] != 0 {
		s.Errorf("%d events came, %d of them later ones, want 200 and none", c.count, c.next["note-later"])
	}
}

func (s *subject) testAllAfter() {
	store := s.newStore()
	s.noteMany(store, 40)
	all := collect(s, store.All(s.Context()))
	var cursor eventstore.Cursor
	for i, e := range all {
		rest := collect(s, store.All(s.Context(), eventstore.After(cursor)))
		if len(rest) != len(all)-i {
			s.Fatalf("behind %d of %d events, at %s, %d are left", i, len(all), cursor, len(rest))
		}
		for j, r := range rest {
			if r.ID != all[i+j].ID {
				s.Fatalf("behind %d events comes %s, want %s", i, rest[0].Position, e.Position)
			}
		}
		cursor = cursor.After(e.Position)
		text, err := cursor.MarshalText()
		if err != nil {
			s.Fatal(err)
		}
		if err := cursor.UnmarshalText(text); err != nil {
			s.Fatal(err)
		}
	}
	end, err := store.End(s.Context())
	if err != nil || end.String() != cursor.String() {
		s.Errorf("the end is %s, error %v, and the last event moved the cursor to %s", end, err, cursor)
	}
	if n := len(collect(s, store.All(s.Context(), eventstore.After(end)))); n != 0 {
		s.Errorf("%d events lie behind the end", n)
	}
	end.Next[2] += 5
	wantErr(s, "all behind a cursor beyond the end", errorOf(s, store.All(s.Context(), eventstore.After(end))), eventstore.ErrOffsetOutOfRange, fmt.Sprint(end.Next[2]))
}

func (s *subject) testTail() {
	const writers, each = 4, 50
	store := s.newStore()
	ctx, cancel := context.WithCancel(s.within())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		parallel(writers, func(i int) {
			for n := range each {
				// Streams of the same writer lie in several partitions.
				for _, stream := range []string{fmt.Sprintf("note-%d", i), fmt.Sprintf("note-%d-b", i)} {
					if _, err := store.Append(s.Context(), stream, eventstore.Any, noted{strconv.Itoa(n + 1)}); err != nil {
						s.Errorf("appending: %v", err)
						cancel()
						return
					}
				}
			}
		})
	}()
	parallel(2, func(reader int) {
		c := newCheck()
		for e, err := range store.Tail(ctx) {
			if err == nil {
				err = c.follow(e)
			}
			if err != nil {
				s.Errorf("reader %d, after %d events: %v", reader, c.count, err)
				return
			}
			if c.count == writers*each*2 {
				return
			}
		}
		s.Errorf("reader %d: the tail ended", reader)
	})
	<-done
}

func (s *subject) testTailAfter() {
	store := s.newStore()
	s.noteMany(store, 20)
	end, err := store.End(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.within())
	defer cancel()
	s.note(store, "note-new", "1", "2")
	var got []string
	var last error
	for e, err := range store.Tail(ctx, eventstore.After(end)) {
		if last = err; err != nil {
			break
		}
		got = append(got, fmt.Sprintf("%s %d", e.Stream, e.Version))
		switch len(got) {
		case 2:
			s.note(store, "note-new", "3") // while the tail is live
		case 3:
			cancel()
		}
	}
	if want := []string{"note-new 1", "note-new 2", "note-new 3"}; !slices.Equal(got, want) || !errors.Is(last, context.Canceled) {
		s.Errorf("got %q and %v, want %q and %v", got, last, want, context.Canceled)
	}
}

func (s *subject) testUnreachable() {
	store, other := s.newStore(), s.newStore()
	at := s.note(other, "note-a", "1").Position
	topic, err := store.Topic(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	here := s.note(store, "note-a", "1").Position
	recreated, restored := here, here
	recreated.TopicID, restored.LogID = uuid.New(), uuid.New()
	beyond := here
	beyond.Partition = partitions
	for name, p := range map[string]eventstore.Position{"another topic": at, "the topic before it was created again": recreated, "the log before it was restored": restored, "a partition that it has not": beyond} {
		wantErr(s, "a position of "+name, p.Check(topic), eventstore.ErrUnreachable, p.String())
		cursor := eventstore.Cursor{}.After(p)
		wantErr(s, "all behind a cursor of "+name, errorOf(s, store.All(s.Context(), eventstore.After(cursor))), eventstore.ErrUnreachable, cursor.String())
		wantErr(s, "a tail behind a cursor of "+name, errorOf(s, store.Tail(s.within(), eventstore.After(cursor))), eventstore.ErrUnreachable, cursor.String())
	}
	if err := here.Check(topic); err != nil {
		s.Errorf("a position of the topic itself: %v", err)
	}
}
