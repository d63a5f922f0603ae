package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// subscribed is an event that knows its tags.
type subscribed struct{ Course, Student string }

func (e subscribed) Tags() []string { return []string{"course:" + e.Course, "student:" + e.Student} }

// renamed is an event that some logs hold under an older name.
type renamed struct{ To string }

func courses() eventstore.Category {
	return eventstore.Category{Name: "course", Events: map[string]any{"subscribed": subscribed{}, "renamed": renamed{}}}
}

func (s *subject) newCourses(cfg eventstore.Config) *eventstore.Store {
	s.Helper()
	if cfg.Topic == "" {
		cfg.Topic, cfg.Partitions = newName(), partitions
	}
	store, err := eventstore.Open(s.Context(), s.log, cfg, courses(), notes())
	if err != nil {
		s.Fatalf("opening a store: %v", err)
	}
	return store
}

// tagged leaves tags to what is appended under the context.
func (s *subject) tagged(tags ...string) context.Context {
	return eventstore.WithMetadata(s.Context(), eventstore.Metadata{Tags: tags})
}

func (s *subject) mustStore(ctx context.Context, store *eventstore.Store, parts ...eventstore.Part) {
	s.Helper()
	if _, err := store.AppendAll(ctx, parts...); err != nil {
		s.Fatalf("appending: %v", err)
	}
}

// query reads what a query finds and moves the cursor.
func (s *subject) query(store *eventstore.Store, q eventstore.Query, cursor *eventstore.Cursor) (found []string) {
	s.Helper()
	for _, e := range collect(s, store.Query(s.Context(), q, cursor)) {
		found = append(found, fmt.Sprintf("%s %d", e.Stream, e.Version))
		if !cursor.Has(e.Position) {
			s.Errorf("%s was yielded, and the cursor is at %s", e.Position, cursor)
		}
	}
	return found
}

func (s *subject) testAppendAll() {
	store := s.newStore()
	s.note(store, "note-b", "1")
	_, err := store.AppendAll(s.Context(),
		eventstore.Write{Stream: "note-a", Events: []any{noted{"1"}, noted{"2"}}},
		eventstore.Write{Stream: "note-b", Events: []any{noted{"2"}}}, // it is there
	)
	wantErr(s, "one of two streams is not as expected", err, eventstore.ErrConflict, "note-b")
	if n := len(collect(s, store.All(s.Context()))); n != 1 {
		s.Fatalf("the topic holds %d events, want 1", n)
	}
	done, err := store.AppendAll(s.Context(),
		eventstore.Unless(eventstore.Query{Tags: []string{"never"}}, eventstore.Cursor{}),
		eventstore.Write{Stream: "note-a", Events: []any{noted{"1"}, noted{"2"}}},
		eventstore.Write{Stream: "note-b", Expected: 1, Events: []any{noted{"2"}}},
	)
	if err != nil || len(done) != 2 || done[0].Stream != "note-a" || done[0].Version != 2 || done[1].Stream != "note-b" || done[1].Version != 2 {
		s.Errorf("both as expected: %+v, %v", done, err)
	}
	_, err = store.AppendAll(s.Context(), eventstore.Unless(eventstore.Query{}, eventstore.Cursor{}))
	wantErr(s, "a condition alone", err, eventstore.ErrNothing, "")
}

func (s *subject) testQuery() {
	store := s.newCourses(eventstore.Config{})
	subscribe := func(course, student string) {
		s.mustStore(s.Context(), store, eventstore.Write{Stream: "course-" + course, Expected: eventstore.Any, Events: []any{subscribed{course, student}}})
	}
	byCourse, byStudent := eventstore.Query{Tags: []string{"course:1"}}, eventstore.Query{Types: []string{"course.subscribed"}, Tags: []string{"student:a"}}
	var course, student, all eventstore.Cursor
	if found := s.query(store, byCourse, &course); len(found) != 0 || course.IsZero() {
		s.Errorf("an empty topic has %q up to %s", found, course)
	}
	subscribe("1", "a")
	subscribe("2", "a")
	subscribe("1", "b")
	s.mustStore(s.tagged("student:a"), store, eventstore.Write{Stream: "course-1", Expected: eventstore.Any, Events: []any{renamed{"one"}}})
	s.note(store, "note-a", "1")

	for what, test := range map[string]struct {
		q      eventstore.Query
		cursor *eventstore.Cursor
		want   []string
	}{
		"by one tag":          {byCourse, &course, []string{"course-1 1", "course-1 2"}},
		"by a type and a tag": {byStudent, &student, []string{"course-1 1", "course-2 1"}},
		"all":                 {eventstore.Query{}, &all, []string{"course-1 1", "course-1 2", "course-1 3", "course-2 1", "note-a 1"}},
	} {
		if found := slices.Sorted(slices.Values(s.query(store, test.q, test.cursor))); !slices.Equal(found, test.want) {
			s.Errorf("%s: %q, want %q", what, found, test.want)
		}
		if end, err := store.End(s.Context()); err != nil || test.cursor.String() != end.String() {
			s.Errorf("%s: it has looked up to %s, the end is %s", what, test.cursor, end)
		}
		if found := s.query(store, test.q, test.cursor); len(found) != 0 {
			s.Errorf("%s: once more it finds %q", what, found)
		}
	}

	subscribe("1", "c")
	try := func(q eventstore.Query, after eventstore.Cursor) error {
		_, err := store.AppendAll(s.Context(), eventstore.Write{Stream: "note-b", Expected: eventstore.Any, Events: []any{noted{"1"}}},
			eventstore.Unless(eventstore.Query{Tags: []string{"never"}}, eventstore.Cursor{}), eventstore.Unless(q, after))
		return err
	}
	if err := try(byStudent, student); err != nil {
		s.Errorf("the student's query is as it was: %v", err)
	}
	err := try(byCourse, course)
	wantErr(s, "the course has an event more", err, eventstore.ErrConditionFailed, "course:1")
	failed, ok := errors.AsType[*eventstore.ConditionError](err)
	if !ok || failed.Index != 1 || failed.Condition.After.String() != course.String() {
		s.Fatalf("the details are %+v", failed)
	}
	at := collect(s, store.Query(s.Context(), byCourse, &course))
	if len(at) != 1 || at[0].Position.String() != failed.Position.String() {
		s.Errorf("behind its cursor the query finds %+v, the error names %s", at, failed.Position)
	}
	if err := try(byCourse, course); err != nil {
		s.Errorf("after reading on: %v", err)
	}

	// Whoever leaves early goes on behind what they have seen.
	var early eventstore.Cursor
	var first eventstore.Event
	for e, err := range store.Query(s.Context(), byCourse, &early) {
		if err != nil {
			s.Fatal(err)
		}
		first = e
		break
	}
	if rest := s.query(store, byCourse, &early); first.Version != 1 || len(rest) != 2 {
		s.Errorf("behind version %d it finds %q", first.Version, rest)
	}
}

func (s *subject) testQueryGroup() {
	store := s.newCourses(eventstore.Config{Topic: newName(), Partitions: 4, Shards: 4})
	in := eventstore.Query{Tags: []string{"x"}, Group: "c1"}
	for _, stream := range []string{"course-{c1}-1", "note-{c1}-2"} {
		event := any(renamed{"x"})
		if stream[0] == 'n' {
			event = noted{"1"}
		}
		s.mustStore(s.tagged("x"), store, eventstore.Write{Stream: stream, Events: []any{event}})
	}
	var cursor eventstore.Cursor
	if found := s.query(store, in, &cursor); len(found) != 2 {
		s.Errorf("found %q", found)
	}
	w := eventstore.Write{Stream: "note-{c1}-3", Expected: eventstore.Any, Events: []any{noted{"1"}}}
	_, err := store.AppendAll(s.Context(), w, eventstore.Unless(in, eventstore.Cursor{}))
	wantErr(s, "from the beginning", err, eventstore.ErrConditionFailed, "x")
	s.mustStore(s.Context(), store, w, eventstore.Unless(in, cursor))
	_, err = store.AppendAll(s.Context(), w, eventstore.Unless(eventstore.Query{Tags: []string{"x"}}, cursor))
	wantErr(s, "without the group", err, eventstore.ErrShards, "Group")
	in.Group = "c2"
	for i := 0; partitionOf(s.lookUpStore(store), "note-{"+in.Group+"}") == partitionOf(s.lookUpStore(store), "note-{c1}"); i++ {
		in.Group = fmt.Sprintf("c2-%d", i)
	}
	_, err = store.AppendAll(s.Context(), w, eventstore.Unless(in, cursor))
	wantErr(s, "another group", err, eventstore.ErrShards, "{group}")
}

func (s *subject) lookUpStore(store *eventstore.Store) commitlog.Topic {
	s.Helper()
	t, err := store.Topic(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return t
}

func (s *subject) testQueryOldNames() {
	cfg := eventstore.Config{Topic: newName(), Partitions: partitions}
	before, err := eventstore.Open(s.Context(), s.log, cfg, eventstore.Category{Name: "course", Events: map[string]any{"titled": renamed{}}})
	if err != nil {
		s.Fatal(err)
	}
	s.mustStore(s.Context(), before, eventstore.Write{Stream: "course-1", Events: []any{renamed{"one"}}})
	now := courses()
	now.Old = eventstore.Old{"titled": eventstore.Renamed(renamed{})}
	store, err := eventstore.Open(s.Context(), s.log, cfg, now)
	if err != nil {
		s.Fatal(err)
	}
	q := eventstore.Query{Types: []string{"course.renamed"}}
	var cursor eventstore.Cursor
	if found := s.query(store, q, &cursor); !slices.Equal(found, []string{"course-1 1"}) {
		s.Errorf("by its name of today it finds %q", found)
	}
	_, err = store.AppendAll(s.Context(), eventstore.Write{Stream: "course-2", Events: []any{renamed{"two"}}}, eventstore.Unless(q, eventstore.Cursor{}))
	wantErr(s, "an event under the old name", err, eventstore.ErrConditionFailed, "course.renamed")
	// An old process goes on writing the old name, and is noticed.
	s.mustStore(s.Context(), before, eventstore.Write{Stream: "course-1", Expected: 1, Events: []any{renamed{"uno"}}})
	_, err = store.AppendAll(s.Context(), eventstore.Write{Stream: "course-2", Events: []any{renamed{"two"}}}, eventstore.Unless(q, cursor))
	wantErr(s, "another one under the old name", err, eventstore.ErrConditionFailed, "course.renamed")
}

func (s *subject) testBadQueries() {
	store, other := s.newCourses(eventstore.Config{}), s.newStore()
	w := eventstore.Write{Stream: "note-a", Expected: eventstore.Any, Events: []any{noted{"1"}}}
	foreign, err := other.End(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	beyond, err := store.End(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	beyond.Next[1] = 5
	for what, test := range map[string]struct {
		q      eventstore.Query
		cursor eventstore.Cursor
		want   error
		named  string
	}{
		"a type in no schema":          {eventstore.Query{Types: []string{"course.subcribed"}}, eventstore.Cursor{}, eventstore.ErrQuery, "course.subcribed"},
		"an empty tag":                 {eventstore.Query{Tags: []string{""}}, eventstore.Cursor{}, eventstore.ErrQuery, "tag"},
		"a cursor of another topic":    {eventstore.Query{}, foreign, eventstore.ErrUnreachable, foreign.String()},
		"a cursor from beyond the end": {eventstore.Query{}, beyond, eventstore.ErrOffsetOutOfRange, "5"},
	} {
		at := test.cursor
		wantErr(s, what+", reading", errorOf(s, store.Query(s.Context(), test.q, &at)), test.want, test.named)
		if at.String() != test.cursor.String() {
			s.Errorf("%s: the cursor has moved to %s", what, at)
		}
		_, err := store.AppendAll(s.Context(), w, eventstore.Unless(test.q, test.cursor))
		wantErr(s, what+", appending", err, test.want, test.named)
	}
	if n := len(collect(s, store.All(s.Context()))); n != 0 {
		s.Errorf("%d events are stored", n)
	}
}

// testDecisions has many students subscribe to few courses at once. A course has places, and a student time, for so many: two rules over two queries,
// and no stream that holds all of what either is about.
func (s *subject) testDecisions() {
	store := s.newCourses(eventstore.Config{})
	const places, time, courses, students = 4, 2, 3, 8
	subscribe := func(course, student string) error {
		byCourse, byStudent := eventstore.Query{Tags: []string{"course:" + course}}, eventstore.Query{Tags: []string{"student:" + student}}
		var inCourse, inStudent eventstore.Cursor
		taken, busy := 0, 0
		for {
			taken += len(s.query(store, byCourse, &inCourse))
			busy += len(s.query(store, byStudent, &inStudent))
			if taken >= places || busy >= time {
				return nil
			}
			_, err := store.AppendAll(s.Context(),
				eventstore.Write{Stream: "course-" + course + "_" + student, Expected: eventstore.Any, Events: []any{subscribed{course, student}}},
				eventstore.Unless(byCourse, inCourse), eventstore.Unless(byStudent, inStudent))
			if !errors.Is(err, eventstore.ErrConditionFailed) {
				return err
			}
		}
	}
	parallel(students, func(i int) {
		for course := range courses {
			if err := subscribe(fmt.Sprint((course+i)%courses), fmt.Sprint(i)); err != nil {
				s.Errorf("subscribing: %v", err)
				return
			}
		}
	})
	byTag := map[string]int{}
	for _, e := range collect(s, store.All(s.Context())) {
		for _, tag := range e.Metadata.Tags {
			byTag[tag]++
		}
	}
	for course := range courses {
		if n := byTag[fmt.Sprintf("course:%d", course)]; n != places {
			s.Errorf("course %d has %d students, want %d", course, n, places)
		}
	}
	for student := range students {
		if n := byTag[fmt.Sprintf("student:%d", student)]; n > time {
			s.Errorf("student %d has %d courses, at most %d are possible", student, n, time)
		}
	}
}
