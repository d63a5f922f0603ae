package eventstoretest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/strandlog/strand/commitlog"
)

// tagged is a write of one event with a type and tags.
func tagged(stream string, expected commitlog.Expected, kind string, tags ...string) commitlog.Write {
	w := write(stream, expected, kind)
	h := []commitlog.Header{{Key: "type", Value: []byte(kind)}}
	for _, tag := range tags {
		h = append(h, commitlog.Header{Key: "tag", Value: []byte(tag)})
	}
	w.Events[0].Headers = h
	return w
}

// condition looks for a type, unless it is empty, and tags.
func condition(partition int32, after int64, kind string, tags ...string) commitlog.Condition {
	c := commitlog.Condition{Partition: partition, After: after, Tags: tags}
	if kind != "" {
		c.Types = []string{kind}
	}
	return c
}

func (s *subject) appendIf(t commitlog.Topic, w commitlog.Write, conditions ...commitlog.Condition) (commitlog.Appended, error) {
	return s.log.Append(s.Context(), t, commitlog.Append{Writes: []commitlog.Write{w}, Conditions: conditions})
}

func (s *subject) testConditions() {
	t := s.newTopic()
	first := s.mustAppend(t, tagged("note-a", commitlog.NoStream, "note.opened", "x", "y")).Writes[0]
	second := s.mustAppend(t, tagged("note-a", 1, "note.closed", "y", "z")).Writes[0]
	p := first.Partition
	other := (p + 1) % partitions
	either := condition(p, second.FirstOffset, "note.opened")
	either.Types = append(either.Types, "note.closed")
	for i, test := range []struct {
		what      string
		condition commitlog.Condition
		offset    int64 // of the event that is ruled out, -1: the condition holds
	}{
		{"a type", condition(p, 0, "note.opened"), first.FirstOffset},
		{"a type, behind its event", condition(p, first.FirstOffset+1, "note.opened"), -1},
		{"one of two types", either, second.FirstOffset},
		{"a type that never was", condition(p, 0, "note.deleted"), -1},
		{"the beginning of a type", condition(p, 0, "note."), -1},
		{"a tag", condition(p, 0, "", "x"), first.FirstOffset},
		{"a tag of both, behind the first", condition(p, first.FirstOffset+1, "", "y"), second.FirstOffset},
		{"a tag that never was", condition(p, 0, "", "X"), -1},
		{"two tags", condition(p, 0, "", "z", "y"), second.FirstOffset},
		{"a tag twice", condition(p, 0, "", "x", "x"), first.FirstOffset},
		{"tags of two events", condition(p, 0, "", "x", "z"), -1},
		{"a type and a tag", condition(p, 0, "note.closed", "z"), second.FirstOffset},
		{"a type and a tag of two events", condition(p, 0, "note.closed", "x"), -1},
		{"a type as a tag", condition(p, 0, "", "note.closed"), -1},
		{"anything", condition(p, second.FirstOffset, ""), second.FirstOffset},
		{"anything behind the end", condition(p, second.FirstOffset+1, ""), -1},
		{"another partition", condition(other, 0, ""), -1},
		{"a tag in another partition", condition(other, 0, "", "x"), -1},
	} {
		// A stream of the other partitions, so that the conditions of later tests are not met by it.
		stream := s.elsewhere(t, i, p, other)
		holds := condition(p, 0, "never")
		_, err := s.appendIf(t, tagged(stream, commitlog.NoStream, "note.tried"), holds, test.condition)
		if test.offset < 0 {
			if err != nil {
				s.Errorf("%s: %v", test.what, err)
			}
			continue
		}
		wantErr(s, test.what, err, commitlog.ErrConditionFailed, fmt.Sprintf("offset %d", test.offset))
		failed, ok := errors.AsType[*commitlog.ConditionError](err)
		if !ok || failed.Topic != t.Name || failed.Index != 1 || failed.Offset != test.offset || failed.Condition.Partition != p {
			s.Errorf("%s: the details are %+v", test.what, failed)
		}
		if n := len(s.stream(t, commitlog.StreamQuery{Stream: stream})); n != 0 {
			s.Errorf("%s: the refused append stored %d events", test.what, n)
		}
	}
}

// elsewhere names a stream that lies in none of two partitions.
func (s *subject) elsewhere(t commitlog.Topic, i int, not ...int32) string {
	for j := 0; ; j++ {
		stream := fmt.Sprintf("note-%d-%d", i, j)
		if p := partitionOf(t, stream); p != not[0] && p != not[1] {
			return stream
		}
	}
}

func (s *subject) testConditionsGuardAll() {
	t := s.newTopic()
	p := s.mustAppend(t, tagged("note-a", commitlog.NoStream, "note.opened", "x")).Writes[0].Partition
	writes := []commitlog.Write{write("note-b", commitlog.NoStream, "1", "2"), write("note-a", 1, "3")}
	for what, conditions := range map[string][]commitlog.Condition{
		"the first": {condition(p, 0, "", "x"), condition(p, 0, "", "y")},
		"the last":  {condition(p, 0, "", "y"), condition(p, 0, "", "x")},
	} {
		_, err := s.log.Append(s.Context(), t, commitlog.Append{Writes: writes, Conditions: conditions})
		wantErr(s, what+" condition fails", err, commitlog.ErrConditionFailed, "x")
		s.wantHolds(t, 1)
	}
	// A conflict is told as one even where a condition holds, and the other way round.
	_, err := s.appendIf(t, write("note-a", commitlog.NoStream, "1"), condition(p, 0, "", "y"))
	wantErr(s, "a version that does not hold", err, commitlog.ErrConflict, "note-a")
	done, err := s.log.Append(s.Context(), t, commitlog.Append{Writes: writes, Conditions: []commitlog.Condition{condition(p, 0, "", "y"), condition(p, 1, "")}})
	if err != nil || len(done.Writes) != 2 {
		s.Errorf("where all conditions hold: %+v, %v", done, err)
	}
	s.wantHolds(t, 4)
}

func (s *subject) testConditionsAndOwnEvents() {
	t := s.newTopic()
	p := partitionOf(t, "note-a")
	w := withIDs(tagged("note-a", commitlog.NoStream, "note.opened", "x"))
	first, err := s.appendIf(t, w, condition(p, 0, "", "x"))
	if err != nil {
		s.Fatal(err)
	}
	again, err := s.appendIf(t, w, condition(p, 0, "", "x"))
	if err != nil || again.Writes[0].FirstVersion != first.Writes[0].FirstVersion || again.Duplicate {
		s.Errorf("the same append again: %+v, %v; at first %+v", again, err, first)
	}
	c := command("c", "note-a", commitlog.Any, "2")
	if _, err := s.appendIf(t, c, condition(p, 1, "")); err != nil {
		s.Fatal(err)
	}
	if again, err = s.appendIf(t, c, condition(p, 1, "")); err != nil || !again.Duplicate {
		s.Errorf("the same command again: %+v, %v", again, err)
	}
	s.wantHolds(t, 2)
}

func (s *subject) testConditionsOneWinner() {
	t := s.newTopic()
	const writers, rounds = 8, 15
	for round := range rounds {
		tag := fmt.Sprintf("name:%d", round)
		var conditions []commitlog.Condition
		for p := range int32(partitions) {
			conditions = append(conditions, condition(p, 0, "", tag))
		}
		var won atomic.Int32
		parallel(writers, func(i int) {
			_, err := s.appendIf(t, tagged(fmt.Sprintf("note-%d-%d", round, i), commitlog.Any, "note.opened", tag), conditions...)
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, commitlog.ErrConditionFailed):
				s.Errorf("appending: %v", err)
			}
		})
		if n := won.Load(); n != 1 {
			s.Errorf("round %d: %d of %d have the name", round, n, writers)
		}
	}
	s.wantHolds(t, rounds)
}

// testConditionsNoSkew has pairs of appends to two partitions, each on condition that the other is not there. Checked one against the other's past, both
// would pass.
func (s *subject) testConditionsNoSkew() {
	t := s.newTopic()
	a := "note-a"
	b := s.elsewhere(t, 0, partitionOf(t, a), partitionOf(t, a))
	var mu sync.Mutex
	stored := map[string][]string{} // guarded by mu
	const rounds = 25
	parallel(8, func(i int) {
		for round := range rounds {
			tag := fmt.Sprintf("round:%d", round)
			mine, theirs := a, b
			if i%2 == 1 {
				mine, theirs = b, a
			}
			_, err := s.appendIf(t, tagged(mine, commitlog.Any, "note.on-call", tag), condition(partitionOf(t, theirs), 0, "note.on-call", tag))
			switch {
			case err == nil:
				mu.Lock()
				stored[tag] = append(stored[tag], mine)
				mu.Unlock()
			case !errors.Is(err, commitlog.ErrConditionFailed):
				s.Errorf("appending: %v", err)
			}
		}
	})
	for tag, streams := range stored {
		for _, stream := range streams {
			if stream != streams[0] {
				s.Errorf("%s is stored in %q", tag, streams)
				break
			}
		}
	}
	if len(stored) != rounds {
		s.Errorf("of %d rounds %d were stored", rounds, len(stored))
	}
}

func (s *subject) testBadConditions() {
	t := s.newTopic()
	p := partitionOf(t, "note-a")
	many := make([]commitlog.Condition, 65)
	for name, test := range map[string]struct {
		conditions []commitlog.Condition
		want       error
		named      string
	}{
		"no such partition":  {[]commitlog.Condition{condition(partitions, 0, "x")}, commitlog.ErrInvalid, "0 to 3"},
		"negative partition": {[]commitlog.Condition{condition(-1, 0, "x")}, commitlog.ErrInvalid, "-1"},
		"negative offset":    {[]commitlog.Condition{condition(p, -1, "x")}, commitlog.ErrInvalid, "-1"},
		"beyond the end":     {[]commitlog.Condition{condition(p, 0, "x"), condition(p, 7, "x")}, commitlog.ErrOffsetOutOfRange, "7"},
		"an empty tag":       {[]commitlog.Condition{condition(p, 0, "", "")}, commitlog.ErrInvalidName, "tag"},
		"a long tag":         {[]commitlog.Condition{condition(p, 0, "", strings.Repeat("t", 256))}, commitlog.ErrInvalidName, "tag"},
		"a long type":        {[]commitlog.Condition{condition(p, 0, strings.Repeat("t", 256))}, commitlog.ErrInvalidName, "event type"},
		"many tags":          {[]commitlog.Condition{condition(p, 0, "", strings.Split(strings.Repeat("t", 65), "")...)}, commitlog.ErrAppendTooLarge, "tags"},
		"many of them":       {many, commitlog.ErrAppendTooLarge, "conditions"},
	} {
		_, err := s.appendIf(t, write("note-a", commitlog.NoStream, "1"), test.conditions...)
		wantErr(s, name, err, test.want, test.named)
	}
	_, err := s.log.Append(s.Context(), t, commitlog.Append{Conditions: []commitlog.Condition{condition(p, 0, "x")}})
	wantErr(s, "conditions alone", err, commitlog.ErrInvalid, "write")
	s.wantHolds(t, 0)
	if _, err := s.appendIf(t, write("note-a", commitlog.NoStream, "1"), many[:64]...); err != nil {
		s.Errorf("as many as are possible, of any event: %v", err)
	}

	sharded := s.create(commitlog.TopicConfig{Name: newName(), Partitions: 4, Shards: 2})
	p = partitionOf(sharded, "note-a")
	_, err = s.appendIf(sharded, write("note-a", commitlog.NoStream, "1"), condition((p+1)%4, 0, "x"))
	wantErr(s, "a partition of another shard", err, commitlog.ErrShards, "{group}")
	wantErr(s, "a partition of another shard", err, commitlog.ErrInvalid, "note-a")
	if _, err := s.appendIf(sharded, write("note-a", commitlog.NoStream, "1"), condition((p+2)%4, 0, "x")); err != nil {
		s.Errorf("another partition of the shard: %v", err)
	}
	s.wantHolds(sharded, 1)
}

func (s *subject) testBadTags() {
	t := s.newTopic()
	for name, test := range map[string]struct {
		write commitlog.Write
		want  error
	}{
		"an empty tag": {tagged("note-a", commitlog.NoStream, "x", ""), commitlog.ErrInvalidName},
		"a long tag":   {tagged("note-a", commitlog.NoStream, "x", strings.Repeat("t", 256)), commitlog.ErrInvalidName},
		"a long type":  {tagged("note-a", commitlog.NoStream, strings.Repeat("t", 256)), commitlog.ErrInvalidName},
		"many tags":    {tagged("note-a", commitlog.NoStream, "x", strings.Split(strings.Repeat("t", 65), "")...), commitlog.ErrAppendTooLarge},
	} {
		_, err := s.append(t, test.write)
		wantErr(s, name, err, test.want, "")
	}
	s.wantHolds(t, 0)
	tag := strings.Repeat("ä", 127) + "\x00"
	p := s.mustAppend(t, tagged("note-a", commitlog.NoStream, "x\x00\x01", tag, "a\nb")).Writes[0].Partition
	for _, c := range []commitlog.Condition{condition(p, 0, "x\x00\x01"), condition(p, 0, "", tag), condition(p, 0, "x\x00\x01", "a\nb", tag)} {
		_, err := s.appendIf(t, write("note-b", commitlog.NoStream, "1"), c)
		wantErr(s, "a type or tag with odd characters", err, commitlog.ErrConditionFailed, "")
	}
}
