package eventstoretest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func (s *subject) testTopicFound() {
	created := s.create(commitlog.TopicConfig{Name: newName(), Kind: commitlog.Versioned, Partitions: 5, Shards: 2})
	if created.Kind != commitlog.Versioned || len(created.Partitions) != 5 || created.Shards != 2 || created.ID == uuid.Nil || created.LogID == uuid.Nil || created.Created.IsZero() {
		s.Errorf("created: %+v", created)
	}
	found := s.lookUp(created.Name)
	if found.Name != created.Name || found.ID != created.ID || found.LogID != created.LogID || found.Kind != created.Kind ||
		found.Shards != created.Shards || !found.Created.Equal(created.Created) || len(found.Partitions) != len(created.Partitions) {
		s.Errorf("created %+v, found %+v", created, found)
	}
	for i, p := range found.Partitions {
		if p.Start != 0 || p.End != 0 {
			s.Errorf("partition %d of a new topic is [%d, %d)", i, p.Start, p.End)
		}
	}
	if other := s.newTopic(); other.ID == created.ID {
		s.Errorf("two topics have the id %s", other.ID)
	}
}

func (s *subject) testTopicDefaults() {
	t := s.create(commitlog.TopicConfig{Name: newName()})
	if t.Kind != commitlog.Versioned || len(t.Partitions) != 8 || t.Shards != 1 {
		s.Errorf("kind %q, %d partitions, %d shards, want versioned, 8 and 1", t.Kind, len(t.Partitions), t.Shards)
	}
}

func (s *subject) testTopicTwice() {
	first := s.newTopic()
	_, err := s.log.CreateTopic(s.Context(), commitlog.TopicConfig{Name: first.Name, Partitions: 2})
	wantErr(s, "creating it again", err, commitlog.ErrTopicExists, first.Name)
	if exists, ok := errors.AsType[*commitlog.TopicExistsError](err); !ok || exists.Topic != first.Name {
		s.Errorf("the error is %T", err)
	}
	if t := s.lookUp(first.Name); t.ID != first.ID || len(t.Partitions) != partitions {
		s.Errorf("the first topic was %+v and is %+v", first, t)
	}
}

func (s *subject) testTopicRace() {
	name := newName()
	var created atomic.Int32
	parallel(8, func(int) {
		_, err := s.log.CreateTopic(s.Context(), commitlog.TopicConfig{Name: name, Partitions: 2})
		switch {
		case err == nil:
			created.Add(1)
		case !errors.Is(err, commitlog.ErrTopicExists):
			s.Errorf("creating: %v", err)
		}
	})
	if n := created.Load(); n != 1 {
		s.Errorf("%d of 8 created the topic, want 1", n)
	}
}

func (s *subject) testTopicUnknown() {
	name := newName()
	_, err := s.log.Topic(s.Context(), name)
	wantErr(s, "looking it up", err, commitlog.ErrUnknownTopic, name)
	if unknown, ok := errors.AsType[*commitlog.UnknownTopicError](err); !ok || unknown.Topic != name {
		s.Errorf("the error is %T", err)
	}

	gone := s.newTopic()
	gone.ID = uuid.New() // as if it had been deleted and created again
	_, err = s.append(gone, write("note-a", commitlog.NoStream, "1"))
	wantErr(s, "appending", err, commitlog.ErrUnknownTopic, gone.Name)
	wantErr(s, "reading a partition", errorOf(s, s.log.Records(s.Context(), gone, 0, commitlog.Range{})), commitlog.ErrUnknownTopic, gone.Name)
	wantErr(s, "reading a stream", errorOf(s, s.log.Stream(s.Context(), gone, commitlog.StreamQuery{Stream: "note-a"})), commitlog.ErrUnknownTopic, gone.Name)
	s.wantHolds(s.lookUp(gone.Name), 0)

	_, err = eventstore.Open(s.Context(), s.log, eventstore.Config{Topic: name, NoCreate: true}, notes())
	wantErr(s, "opening a store that may not create", err, eventstore.ErrUnknownTopic, name)
}

func (s *subject) testTopicImpossible() {
	for _, name := range []string{"", "-a", ".a", "a b", "a/b", "ä", "a\n", "a*", strings.Repeat("a", 101)} {
		_, err := s.log.CreateTopic(s.Context(), commitlog.TopicConfig{Name: name})
		wantErr(s, fmt.Sprintf("creating %q", name), err, commitlog.ErrInvalidName, "topic")
		_, err = s.log.Topic(s.Context(), name)
		wantErr(s, fmt.Sprintf("looking up %q", name), err, commitlog.ErrInvalidName, "topic")
	}
	for _, cfg := range []commitlog.TopicConfig{
		{Partitions: -1}, {Partitions: 1025}, {Shards: -1}, {Partitions: 2, Shards: 3}, {Kind: "heap"},
	} {
		cfg.Name = newName()
		_, err := s.log.CreateTopic(s.Context(), cfg)
		wantErr(s, fmt.Sprintf("creating %+v", cfg), err, commitlog.ErrInvalid, cfg.Name)
		if _, err := s.log.Topic(s.Context(), cfg.Name); !errors.Is(err, commitlog.ErrUnknownTopic) {
			s.Errorf("topic %+v was refused, and looking it up gives %v", cfg, err)
		}
	}
	s.create(commitlog.TopicConfig{Name: strings.Repeat("a", 68) + strings.TrimPrefix(newName(), "law-")}) // 100 bytes are possible
}

func (s *subject) testTopicEnds() {
	t := s.newTopic()
	want := make([]int64, partitions)
	for i := range 30 {
		done := s.mustAppend(t, write(fmt.Sprintf("note-%d", i), commitlog.NoStream, "1", "2"))
		want[done.Writes[0].Partition] += 2
		for p, info := range s.lookUp(t.Name).Partitions {
			if info.Start != 0 || info.End != want[p] {
				s.Fatalf("after %d appends partition %d is [%d, %d), want [0, %d)", i+1, p, info.Start, info.End, want[p])
			}
		}
	}
}

func (s *subject) testOpenRace() {
	name := newName()
	parallel(8, func(i int) {
		store, err := eventstore.Open(s.Context(), s.log, eventstore.Config{Topic: name, Partitions: partitions}, notes())
		if err != nil {
			s.Errorf("opening: %v", err)
			return
		}
		if _, err := store.Append(s.Context(), fmt.Sprintf("note-%d", i), eventstore.NoStream, noted{"1"}); err != nil {
			s.Errorf("appending: %v", err)
		}
	})
	s.wantHolds(s.lookUp(name), 8)
}
