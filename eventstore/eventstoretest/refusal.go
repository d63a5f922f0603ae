package eventstoretest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strandlog/strand/commitlog"
)

func (s *subject) testNames() {
	t := s.newTopic()
	bad := []string{"", "note-\x00", "note-a\nb", "note-\x7f", "note-\u0085", "note-\xff", "note-" + strings.Repeat("a", 251)}
	for _, name := range bad {
		_, err := s.append(t, write(name, commitlog.NoStream, "1"))
		wantErr(s, fmt.Sprintf("appending to %q", name), err, commitlog.ErrInvalidName, "stream")
		err = errorOf(s, s.log.Stream(s.Context(), t, commitlog.StreamQuery{Stream: name}))
		wantErr(s, fmt.Sprintf("reading %q", name), err, commitlog.ErrInvalidName, "stream")
		if name == "" {
			continue // no command id
		}
		_, err = s.append(t, command(name, "note-a", commitlog.NoStream, "1"))
		wantErr(s, fmt.Sprintf("appending under %q", name), err, commitlog.ErrInvalidName, "command id")
		err = errorOf(s, s.log.Stream(s.Context(), t, commitlog.StreamQuery{Stream: "note-a", CommandID: name}))
		wantErr(s, fmt.Sprintf("reading by %q", name), err, commitlog.ErrInvalidName, "command id")
	}
	s.wantHolds(t, 0)
	for i, name := range []string{"x", "note-" + strings.Repeat("a", 250), "note-世界 {", "note-}{}"} {
		s.mustAppend(t, command(name, name, commitlog.NoStream, "1"))
		if n := len(s.stream(t, commitlog.StreamQuery{Stream: name, CommandID: name})); n != 1 {
			s.Errorf("stream %d, %q, has %d events, want 1", i, name, n)
		}
	}
}

func (s *subject) testBadAppends() {
	t := s.newTopic()
	valued := func(n int) commitlog.NewRecord { return commitlog.NewRecord{Value: make([]byte, n)} }
	headed := func(key string, n int) commitlog.Write {
		return commitlog.Write{Stream: "note-a", Events: []commitlog.NewRecord{{Headers: []commitlog.Header{{Key: key, Value: make([]byte, n)}}}}}
	}
	many := make([]commitlog.Write, 129)
	for i := range many {
		many[i] = write(fmt.Sprintf("note-%d", i), commitlog.NoStream, "1")
	}
	for _, test := range []struct {
		name   string
		writes []commitlog.Write
		want   error
	}{
		{"no writes", nil, commitlog.ErrInvalid},
		{"no events", []commitlog.Write{write("note-a", commitlog.NoStream)}, commitlog.ErrInvalid},
		{"no events in one write", []commitlog.Write{write("note-a", commitlog.NoStream, "1"), write("note-b", commitlog.NoStream)}, commitlog.ErrInvalid},
		{"one stream twice", []commitlog.Write{write("note-a", commitlog.NoStream, "1"), write("note-a", 1, "2")}, commitlog.ErrInvalid},
		{"an expectation that is none", []commitlog.Write{write("note-a", -3, "1")}, commitlog.ErrInvalid},
		{"a command id for two streams", []commitlog.Write{command("c", "note-a", commitlog.NoStream, "1"), write("note-b", commitlog.NoStream, "1")}, commitlog.ErrInvalid},
		{"a header that the log writes", []commitlog.Write{headed("id", 16)}, commitlog.ErrInvalidName},
		{"another one", []commitlog.Write{headed("v", 8)}, commitlog.ErrInvalidName},
		{"a third one", []commitlog.Write{headed("p", 8)}, commitlog.ErrInvalidName},
		{"another command id in a header", []commitlog.Write{headed("command-id", 1)}, commitlog.ErrInvalidName},
		{"a large value", []commitlog.Write{{Stream: "note-a", Events: []commitlog.NewRecord{valued(1<<20 + 1)}}}, commitlog.ErrAppendTooLarge},
		{"large headers", []commitlog.Write{headed("tag", 64<<10)}, commitlog.ErrAppendTooLarge},
		{"large altogether", []commitlog.Write{{Stream: "note-a", Events: []commitlog.NewRecord{valued(1 << 20), valued(1 << 20), valued(1 << 20), valued(1 << 20), valued(1)}}}, commitlog.ErrAppendTooLarge},
		{"many events", []commitlog.Write{{Stream: "note-a", Events: make([]commitlog.NewRecord, 10001)}}, commitlog.ErrAppendTooLarge},
		{"many writes", many, commitlog.ErrAppendTooLarge},
	} {
		_, err := s.append(t, test.writes...)
		wantErr(s, test.name, err, test.want, "")
		if large, ok := errors.AsType[*commitlog.TooLargeError](err); ok && large.Size > 0 && large.Size <= large.Max {
			s.Errorf("%s: %d %s are within %d", test.name, large.Size, large.What, large.Max)
		}
		s.wantHolds(t, 0)
	}
	s.mustAppend(t, commitlog.Write{Stream: "note-a", Events: []commitlog.NewRecord{valued(1 << 20), valued(1 << 20), valued(1 << 20)}})
	s.mustAppend(t, many[:128]...)
	s.mustAppend(t, commitlog.Write{Stream: "note-many", Events: make([]commitlog.NewRecord, 10000)})
	s.wantHolds(t, 3+128+10000)
}

func (s *subject) testShards() {
	t := s.create(commitlog.TopicConfig{Name: newName(), Partitions: 4, Shards: 4})
	byPartition := map[int32]string{}
	for i := range 40 {
		stream := fmt.Sprintf("note-%d", i)
		byPartition[s.mustAppend(t, write(stream, commitlog.NoStream, "1")).Writes[0].Partition] = stream
	}
	if len(byPartition) != 4 {
		s.Fatalf("40 streams lie in %d of 4 partitions", len(byPartition))
	}
	_, err := s.append(t, write(byPartition[0], 1, "2"), write(byPartition[1], 1, "2"))
	wantErr(s, "appending across shards", err, commitlog.ErrInvalid, byPartition[1])
	s.wantHolds(t, 40)
	s.mustAppend(t, write("note-{x}-1", commitlog.NoStream, "1"), write("note-{x}-2", commitlog.NoStream, "1"))
	s.wantHolds(t, 42)
}
