package eventstoretest

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

// command is a write under a command id.
func command(id, stream string, expected commitlog.Expected, values ...string) commitlog.Write {
	w := write(stream, expected, values...)
	w.CommandID = id
	return w
}

func (s *subject) testCommandID() {
	t := s.newTopic()
	s.mustAppend(t, write("note-a", commitlog.NoStream, "1"))
	first := s.mustAppend(t, command("c", "note-a", 1, "2", "3"))
	if first.Duplicate {
		s.Error("the first use is answered as a duplicate")
	}
	s.mustAppend(t, write("note-a", 3, "4"))
	for _, again := range []commitlog.Write{
		command("c", "note-a", 1, "2", "3"),
		command("c", "note-a", commitlog.NoStream, "other"),
		command("c", "note-a", 4, "other", "events", "here"),
		command("c", "note-a", commitlog.Any, "other"),
		command("c", "note-a", 99, "other"),
	} {
		done := s.mustAppend(t, again)
		got, want := done.Writes[0], first.Writes[0]
		got.Epoch, want.Epoch = 0, 0 // that of whoever answers
		if !done.Duplicate || got != want || !done.Time.Equal(first.Time) {
			s.Errorf("expecting %d: answered %+v, at first %+v", again.Expected, done, first)
		}
	}
	if got := texts(s.stream(t, commitlog.StreamQuery{Stream: "note-a"})); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		s.Errorf("the stream holds %q", got)
	}
	byCommand := s.stream(t, commitlog.StreamQuery{Stream: "note-a", CommandID: "c", From: 4})
	if got := texts(byCommand); !slices.Equal(got, []string{"2", "3"}) || byCommand[0].Version != 2 {
		s.Errorf("the command's events are %q from version %d on", got, byCommand[0].Version)
	}
	if n := len(s.stream(t, commitlog.StreamQuery{Stream: "note-a", CommandID: "d", Strict: true})); n != 0 {
		s.Errorf("a command that was never used has %d events", n)
	}
	if done := s.mustAppend(t, command("c", "note-b", commitlog.NoStream, "1")); done.Duplicate {
		s.Error("a command id counts in another stream")
	}
	s.wantHolds(t, 5)
}

func (s *subject) testCommandIDAfterConflict() {
	t := s.newTopic()
	_, err := s.append(t, command("c", "note-a", 7, "1"))
	wantErr(s, "the first use", err, commitlog.ErrConflict, "note-a")
	if done := s.mustAppend(t, command("c", "note-a", commitlog.NoStream, "1")); done.Duplicate {
		s.Error("a command id that was refused counts as used")
	}
	s.wantHolds(t, 1)
}

func (s *subject) testCommandIDRace() {
	t := s.newTopic()
	var mu sync.Mutex
	var fresh int // guarded by mu
	parallel(8, func(i int) {
		done, err := s.append(t, command("c", "note-a", commitlog.Any, fmt.Sprint(i)))
		if err != nil {
			s.Errorf("appending: %v", err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !done.Duplicate {
			fresh++
		}
		if w := done.Writes[0]; w.FirstVersion != 1 || w.Count != 1 {
			s.Errorf("answered %+v", done)
		}
	})
	if fresh != 1 {
		s.Errorf("%d of 8 uses stored something, want 1", fresh)
	}
	s.wantHolds(t, 1)
}

// testSameIDs repeats an append as a caller does whose first answer was lost. Duplicate is for command ids: here nothing else was stored.
func (s *subject) testSameIDs() {
	t := s.newTopic()
	s.mustAppend(t, write("note-a", commitlog.NoStream, "1"))
	w := withIDs(write("note-a", 1, "2", "3"))
	first := s.mustAppend(t, w)
	s.mustAppend(t, write("note-a", 3, "4"))

	again := s.mustAppend(t, w)
	got, want := again.Writes[0], first.Writes[0]
	got.Epoch, want.Epoch = 0, 0
	if again.Duplicate || got != want || !again.Time.Equal(first.Time) {
		s.Errorf("answered %+v, at first %+v", again, first)
	}
	for name, other := range map[string]commitlog.Write{
		"other ids":         withIDs(write("note-a", 1, "2", "3")),
		"no ids":            write("note-a", 1, "2", "3"),
		"more events":       {Stream: "note-a", Expected: 1, Events: append(slices.Clone(w.Events), withIDs(write("note-a", 1, "4")).Events...)},
		"another order":     {Stream: "note-a", Expected: 1, Events: []commitlog.NewRecord{w.Events[1], w.Events[0]}},
		"another version":   {Stream: "note-a", Expected: 2, Events: w.Events},
		"beyond the stream": {Stream: "note-a", Expected: 9, Events: w.Events},
	} {
		if _, err := s.append(t, other); !errors.Is(err, commitlog.ErrConflict) {
			s.Errorf("%s: got %v, want a conflict", name, err)
		}
	}
	s.wantHolds(t, 4)
}

func (s *subject) testSameIDsInSeveralStreams() {
	t := s.newTopic()
	a, b := withIDs(write("note-a", commitlog.NoStream, "1")), withIDs(write("note-b", commitlog.NoStream, "1", "2"))
	first := s.mustAppend(t, a, b)
	again := s.mustAppend(t, a, b)
	if again.Duplicate || !again.Time.Equal(first.Time) {
		s.Errorf("answered %+v, at first %+v", again, first)
	}
	for i := range again.Writes {
		got, want := again.Writes[i], first.Writes[i]
		got.Epoch, want.Epoch = 0, 0
		if got != want {
			s.Errorf("write %d is answered %+v, at first %+v", i, got, want)
		}
	}
	for name, writes := range map[string][]commitlog.Write{
		"one stream of them is new": {a, withIDs(write("note-c", commitlog.NoStream, "1"))},
		"one has other ids":         {a, withIDs(write("note-b", commitlog.NoStream, "1", "2"))},
		"one expects nothing":       {a, {Stream: "note-b", Expected: commitlog.Any, Events: b.Events}},
	} {
		if _, err := s.append(t, writes...); !errors.Is(err, commitlog.ErrConflict) {
			s.Errorf("%s: got %v, want a conflict", name, err)
		}
	}
	s.wantHolds(t, 3)
}
