package eventstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/eventid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// Append stores all writes or none.
func (m *Memory) Append(ctx context.Context, topic commitlog.Topic, a commitlog.Append) (commitlog.Appended, error) {
	if err := ctx.Err(); err != nil {
		return commitlog.Appended{}, err
	}
	if err := checkAppend(topic, a); err != nil {
		return commitlog.Appended{}, err
	}
	ids := drawIDs(a)
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.find(topic)
	if err != nil {
		return commitlog.Appended{}, err
	}
	if done, ok := t.commanded(&a.Writes[0]); ok {
		return done, nil
	}
	for i := range a.Writes {
		if err := t.expect(&a.Writes[i]); err != nil {
			if done, ok := t.repeated(a.Writes, ids); ok {
				return done, nil
			}
			return commitlog.Appended{}, err
		}
	}
	if err := t.ruledOut(a.Conditions); err != nil {
		return commitlog.Appended{}, err
	}
	t.advance(m.clock())
	done := commitlog.Appended{Time: t.time, Writes: make([]commitlog.Written, len(a.Writes))}
	for i := range a.Writes {
		done.Writes[i] = t.store(&a.Writes[i], ids[i])
	}
	close(t.changed)
	t.changed = make(chan struct{})
	return done, nil
}

func (t *memoryTopic) expect(w *commitlog.Write) error {
	actual := int64(len(t.stream(w.Stream).offsets))
	if w.Expected == Any || w.Expected == StreamExists && actual > 0 || int64(w.Expected) == actual {
		return nil
	}
	return &commitlog.ConflictError{Topic: t.name, Stream: w.Stream, Expected: w.Expected, Actual: actual}
}

// ruledOut refuses an append one of whose conditions does not hold.
func (t *memoryTopic) ruledOut(conditions []commitlog.Condition) error {
	for i, c := range conditions {
		records := t.partitions[c.Partition]
		end := int64(len(records))
		if c.After > end {
			return &commitlog.OffsetRangeError{Topic: t.name, Partition: c.Partition, Offset: c.After, End: end}
		}
		for _, r := range records[c.After:] {
			if meets(r.Headers, c.Types, c.Tags) {
				return &commitlog.ConditionError{Topic: t.name, Index: i, Condition: c, Offset: r.Offset}
			}
		}
	}
	return nil
}

// commanded answers a command id that the stream has seen, whatever the write expects.
func (t *memoryTopic) commanded(w *commitlog.Write) (commitlog.Appended, bool) {
	s := t.stream(w.Stream)
	c, ok := s.commands[w.CommandID]
	if !ok {
		return commitlog.Appended{}, false
	}
	return commitlog.Appended{
		Writes: []commitlog.Written{t.written(s, c.first, c.count)}, Time: t.record(s, c.first).Time, Duplicate: true,
	}, true
}

// repeated answers an append whose very events lie behind the versions that its writes name: it was stored before. That is nothing to report,
// so it is no Duplicate.
func (t *memoryTopic) repeated(writes []commitlog.Write, ids [][]uuid.UUID) (commitlog.Appended, bool) {
	var done commitlog.Appended
	for i := range writes {
		w := &writes[i]
		s := t.stream(w.Stream)
		if w.Expected < NoStream || int64(len(s.offsets))-int64(w.Expected) < int64(len(w.Events)) {
			return commitlog.Appended{}, false
		}
		for j, id := range ids[i] {
			r := t.record(s, int64(w.Expected)+1+int64(j))
			if stored, _ := header(r.Headers, wire.HeaderID); string(stored) != string(id[:]) {
				return commitlog.Appended{}, false
			}
			done.Time = r.Time
		}
		done.Writes = append(done.Writes, t.written(s, int64(w.Expected)+1, len(w.Events)))
	}
	return done, true
}

// drawIDs returns the event ids of each write, new ones where none are given.
func drawIDs(a commitlog.Append) [][]uuid.UUID {
	ids := make([][]uuid.UUID, len(a.Writes))
	for i := range a.Writes {
		for _, e := range a.Writes[i].Events {
			id := e.ID
			if id == uuid.Nil {
				id = eventid.New()
			}
			ids[i] = append(ids[i], id)
		}
	}
	return ids
}

// checkAppend refuses what a broker would refuse whatever the log holds.
func checkAppend(topic commitlog.Topic, a commitlog.Append) error {
	if len(a.Writes) == 0 {
		return &commitlog.InvalidError{Reason: "an append holds at least one write"}
	}
	if len(a.Writes) > wire.WritesMax {
		return &commitlog.TooLargeError{What: "writes", Size: len(a.Writes), Max: wire.WritesMax}
	}
	var size, events int
	for i := range a.Writes {
		w := &a.Writes[i]
		if err := checkWrite(topic, a.Writes, i); err != nil {
			return err
		}
		if events += len(w.Events); events > wire.EventsMax {
			return &commitlog.TooLargeError{What: "events", Size: events, Max: wire.EventsMax}
		}
		for j := range w.Events {
			n, err := checkRecord(&w.Events[j], w.CommandID)
			if err != nil {
				return err
			}
			size += n
		}
	}
	if size > wire.AppendBytesMax {
		return &commitlog.TooLargeError{What: "append bytes", Size: size, Max: wire.AppendBytesMax}
	}
	return commitlog.CheckConditions(topic, a, shardOf(topic, a.Writes[0].Stream))
}

func shardOf(topic commitlog.Topic, stream string) int {
	return wire.ShardOf(partitioner.Partition(stream, len(topic.Partitions)), max(topic.Shards, 1))
}

func checkWrite(topic commitlog.Topic, writes []commitlog.Write, i int) error {
	w := &writes[i]
	if err := commitlog.CheckStream(w.Stream); err != nil {
		return err
	}
	refuse := func(format string, args ...any) error {
		return &commitlog.InvalidError{Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case len(w.Events) == 0:
		return refuse("nothing to append to stream %q", w.Stream)
	case w.Expected < StreamExists:
		return refuse("expected version %d of stream %q: use a version, NoStream, Any or StreamExists", w.Expected, w.Stream)
	case slices.ContainsFunc(writes[:i], func(o commitlog.Write) bool { return o.Stream == w.Stream }):
		return refuse("stream %q is written twice in one append: join the two writes", w.Stream)
	case shardOf(topic, w.Stream) != shardOf(topic, writes[0].Stream):
		return &commitlog.ShardsError{Topic: topic.Name, Stream: writes[0].Stream, Other: fmt.Sprintf("stream %q", w.Stream)}
	case w.CommandID == "":
		return nil
	case len(writes) > 1:
		return refuse("command id %q: it belongs to an append of one write, this one has %d", w.CommandID, len(writes))
	}
	return checkCommandID(w.CommandID)
}

// checkCommandID holds a command id to the law of stream names, which it shares.
func checkCommandID(id string) error {
	err := commitlog.CheckStream(id)
	if name, ok := errors.AsType[*commitlog.NameError](err); ok {
		return &commitlog.NameError{What: "command id", Name: name.Name, Reason: name.Reason}
	}
	return err
}

// headerOverhead is about what a header takes beyond its key and value.
const headerOverhead = 4

// checkRecord returns about what an event takes in an append.
func checkRecord(r *commitlog.NewRecord, commandID string) (int, error) {
	if len(r.Value) > wire.RecordBytesMax {
		return 0, &commitlog.TooLargeError{What: "value bytes", Size: len(r.Value), Max: wire.RecordBytesMax}
	}
	size := 0
	for _, h := range r.Headers {
		switch {
		case h.Key == wire.HeaderID || h.Key == wire.HeaderVersion || h.Key == wire.HeaderProducer:
			return 0, &commitlog.NameError{What: "header key", Name: h.Key, Reason: "the log writes it: choose another"}
		case h.Key == wire.HeaderCommandID && string(h.Value) != commandID:
			return 0, &commitlog.NameError{What: "header key", Name: h.Key, Reason: fmt.Sprintf("it says %q where the write's CommandID is %q: set CommandID alone", h.Value, commandID)}
		}
		if size += headerOverhead + len(h.Key) + len(h.Value); size > wire.HeadersBytesMax {
			return 0, &commitlog.TooLargeError{What: "header bytes of one record", Size: size, Max: wire.HeadersBytesMax}
		}
	}
	return size + len(uuid.UUID{}) + len(r.Value), commitlog.CheckHeaders(r.Headers)
}
