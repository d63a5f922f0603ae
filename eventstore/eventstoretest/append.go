package eventstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

func (s *subject) testExpectations() {
	t := s.newTopic()
	for i, test := range []struct {
		before   int // events that the stream holds
		expected commitlog.Expected
		conflict bool
	}{
		{before: 0, expected: commitlog.NoStream},
		{before: 0, expected: commitlog.Any},
		{before: 0, expected: commitlog.StreamExists, conflict: true},
		{before: 0, expected: 1, conflict: true},
		{before: 3, expected: commitlog.NoStream, conflict: true},
		{before: 3, expected: commitlog.Any},
		{before: 3, expected: commitlog.StreamExists},
		{before: 3, expected: 1, conflict: true},
		{before: 3, expected: 2, conflict: true},
		{before: 3, expected: 3},
		{before: 3, expected: 4, conflict: true},
		{before: 3, expected: 1 << 62, conflict: true},
	} {
		what := fmt.Sprintf("at version %d, expecting %d", test.before, test.expected)
		stream := fmt.Sprintf("note-%d", i)
		want := []string{"a", "b", "c"}[:test.before]
		if test.before > 0 {
			s.mustAppend(t, write(stream, commitlog.NoStream, want...))
		}
		done, err := s.append(t, write(stream, test.expected, "x", "y"))
		if !test.conflict {
			want = append(slices.Clone(want), "x", "y")
			if err != nil {
				s.Errorf("%s: %v", what, err)
			} else if w := done.Writes[0]; w.FirstVersion != int64(test.before)+1 || w.Count != 2 || done.Duplicate {
				s.Errorf("%s: appended as %+v", what, done)
			}
		} else {
			wantErr(s, what, err, commitlog.ErrConflict, stream)
			conflict, ok := errors.AsType[*commitlog.ConflictError](err)
			if want := (commitlog.ConflictError{Topic: t.Name, Stream: stream, Expected: test.expected, Actual: int64(test.before)}); !ok || *conflict != want {
				s.Errorf("%s: the details are %+v, want %+v", what, conflict, want)
			}
		}
		if got := texts(s.stream(t, commitlog.StreamQuery{Stream: stream})); !slices.Equal(got, want) {
			s.Errorf("%s: the stream holds %q, want %q", what, got, want)
		}
	}
}

func (s *subject) testVersions() {
	t := s.newTopic()
	heads := map[string]int64{}
	for i := range 60 {
		stream := fmt.Sprintf("note-%d", i%7)
		values := []string{"1", "2", "3"}[:i%3+1]
		w := s.mustAppend(t, write(stream, commitlog.Expected(heads[stream]), values...)).Writes[0]
		if w.FirstVersion != heads[stream]+1 || w.Count != len(values) {
			s.Fatalf("%d events behind version %d are stored as %+v", len(values), heads[stream], w)
		}
		heads[stream] += int64(len(values))
	}
	for stream, head := range heads {
		records := s.stream(t, commitlog.StreamQuery{Stream: stream})
		if int64(len(records)) != head {
			s.Errorf("stream %q has %d events, want %d", stream, len(records), head)
		}
		for i, r := range records {
			if r.Version != int64(i)+1 || string(r.Key) != stream {
				s.Errorf("event %d of stream %q is version %d of %q", i+1, stream, r.Version, r.Key)
			}
		}
	}
}

func (s *subject) testAllOrNothing() {
	t := s.newTopic()
	s.mustAppend(t, write("note-b", commitlog.NoStream, "b1"))
	for i, writes := range [][]commitlog.Write{
		{write("note-a", commitlog.NoStream, "a1"), write("note-b", commitlog.NoStream, "b2"), write("note-c", commitlog.NoStream, "c1")},
		{write("note-b", 2, "b2"), write("note-a", commitlog.Any, "a1")},
		{write("note-a", commitlog.NoStream, "a1"), write("note-c", commitlog.StreamExists, "c1")},
	} {
		_, err := s.append(t, writes...)
		refused := []string{"note-b", "note-b", "note-c"}[i]
		wantErr(s, fmt.Sprintf("append %d", i), err, commitlog.ErrConflict, refused)
		if conflict, ok := errors.AsType[*commitlog.ConflictError](err); ok && conflict.Stream != refused {
			s.Errorf("append %d: the conflict is in stream %q, want %q", i, conflict.Stream, refused)
		}
		s.wantHolds(t, 1)
	}

	done := s.mustAppend(t, write("note-a", commitlog.NoStream, "a1", "a2"), write("note-b", 1, "b2"), write("note-c", commitlog.Any, "c1"))
	for i, stream := range []string{"note-a", "note-b", "note-c"} {
		w := done.Writes[i]
		records := s.stream(t, commitlog.StreamQuery{Stream: stream, From: w.FirstVersion})
		if len(records) != w.Count {
			s.Fatalf("stream %q holds %d events from version %d on, want %d", stream, len(records), w.FirstVersion, w.Count)
		}
		for j, r := range records {
			if r.Partition != w.Partition || r.Offset != w.FirstOffset+int64(j) || r.Version != w.FirstVersion+int64(j) || !r.Time.Equal(done.Time) {
				s.Errorf("stream %q: event %d is %+v, the append said %+v", stream, j, r, w)
			}
		}
	}
	s.wantHolds(t, 5)
}

func (s *subject) testOneWinner() {
	t := s.newTopic()
	const writers, versions = 8, 25
	var mu sync.Mutex
	winners := map[int64][]string{} // guarded by mu
	parallel(writers, func(i int) {
		for v := range int64(versions) {
			name := fmt.Sprintf("%d-%d", i, v)
			done, err := s.append(t, write("note-a", commitlog.Expected(v), name))
			switch {
			case err == nil:
				mu.Lock()
				winners[done.Writes[0].FirstVersion] = append(winners[done.Writes[0].FirstVersion], name)
				mu.Unlock()
			case !errors.Is(err, commitlog.ErrConflict):
				s.Errorf("appending: %v", err)
				return
			}
		}
	})
	records := s.stream(t, commitlog.StreamQuery{Stream: "note-a"})
	if len(records) != versions {
		s.Errorf("the stream has %d events, want %d", len(records), versions)
	}
	for _, r := range records {
		if won := winners[r.Version]; len(won) != 1 || won[0] != string(r.Value) {
			s.Errorf("version %d is %q, and was given to %q", r.Version, r.Value, won)
		}
	}
}

func (s *subject) testManyWriters() {
	t := s.newTopic()
	const writers, each = 8, 25
	parallel(writers, func(i int) {
		for n := range each {
			if _, err := s.append(t, write("note-a", commitlog.Any, fmt.Sprintf("%d-%d", i, n))); err != nil {
				s.Errorf("appending: %v", err)
				return
			}
		}
	})
	next := [writers]int{}
	for _, text := range texts(s.stream(t, commitlog.StreamQuery{Stream: "note-a"})) {
		var i, n int
		if _, err := fmt.Sscanf(text, "%d-%d", &i, &n); err != nil || n != next[i] {
			s.Fatalf("event %q of writer %d comes where its event %d must be", text, i, next[i])
		}
		next[i]++
	}
	for i, n := range next {
		if n != each {
			s.Errorf("%d events of writer %d are stored, want %d", n, i, each)
		}
	}
}

func (s *subject) testContent() {
	t := s.newTopic()
	given := []commitlog.NewRecord{
		{Value: []byte(`{"a":1}`), Headers: []commitlog.Header{{Key: "type", Value: []byte("note.noted")}, {Key: "tag", Value: []byte("x")}, {Key: "tag", Value: []byte("y")}}},
		{Value: []byte{0, 255, '\n'}, Headers: []commitlog.Header{{Key: "user.empty", Value: []byte{}}, {Key: "", Value: []byte("no key")}}},
		{Value: []byte{}},
	}
	w := withIDs(commitlog.Write{Stream: "note-ä {1} ", CommandID: "c 1", Events: given})
	w.Events[2].ID = [16]byte{}
	done := s.mustAppend(t, w)
	records := s.stream(t, commitlog.StreamQuery{Stream: w.Stream})
	inPartition := s.partition(t, done.Writes[0].Partition, commitlog.Range{})
	if len(records) != len(given) || len(inPartition) != len(given) {
		s.Fatalf("the stream has %d events and the partition %d, want %d", len(records), len(inPartition), len(given))
	}
	for i, r := range records {
		for _, r := range []commitlog.Record{r.Record, inPartition[i]} {
			if string(r.Key) != w.Stream || string(r.Value) != string(given[i].Value) {
				s.Errorf("event %d is %q of stream %q", i, r.Value, r.Key)
			}
			if id := headerOf(s, &r, "id"); i < 2 && string(id) != string(w.Events[i].ID[:]) || i == 2 && (len(id) != 16 || id[6]>>4 != 7) {
				s.Errorf("event %d has the id %x", i, id)
			}
			if v := headerOf(s, &r, "v"); string(v) != string([]byte{0, 0, 0, 0, 0, 0, 0, byte(i + 1)}) {
				s.Errorf("event %d has the version %x", i, v)
			}
			if c := headerOf(s, &r, "command-id"); string(c) != "c 1" {
				s.Errorf("event %d has the command id %q", i, c)
			}
			if got, want := fmt.Sprintf("%q", own(r.Headers)), fmt.Sprintf("%q", given[i].Headers); got != want && len(given[i].Headers) > 0 {
				s.Errorf("event %d has the headers %s, want %s", i, got, want)
			}
		}
	}
}

// own leaves the headers out that the log writes.
func own(headers []commitlog.Header) []commitlog.Header {
	return slices.DeleteFunc(slices.Clone(headers), func(h commitlog.Header) bool {
		return slices.Contains([]string{"id", "v", "p", "command-id"}, h.Key)
	})
}

func (s *subject) testCallersMemory() {
	t := s.newTopic()
	value, header := []byte("value"), []byte("header")
	s.mustAppend(t, commitlog.Write{Stream: "note-a", Events: []commitlog.NewRecord{{Value: value, Headers: []commitlog.Header{{Key: "tag", Value: header}}}}})
	copy(value, "spoil")
	copy(header, "spoils")
	r := s.stream(t, commitlog.StreamQuery{Stream: "note-a"})[0]
	if string(r.Value) != "value" || string(headerOf(s, &r.Record, "tag")) != "header" {
		s.Errorf("what the caller wrote after Append is stored: %q, %q", r.Value, headerOf(s, &r.Record, "tag"))
	}
}

func (s *subject) testEndedAppend() {
	t := s.newTopic()
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err := s.log.Append(ctx, t, commitlog.Append{Writes: []commitlog.Write{write("note-a", commitlog.NoStream, "1")}})
	if !errors.Is(err, ctx.Err()) || errors.Is(err, commitlog.ErrIndefinite) {
		s.Errorf("appending under a context that has ended: %v", err)
	}
	s.wantHolds(t, 0)
}
