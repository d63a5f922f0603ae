package eventstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// Memory is a Log in RAM, for unit tests: it answers as a broker does and forgets everything with the process.
// The zero value is not usable; NewMemory makes one. It is safe for concurrent use.
type Memory struct {
	clock func() time.Time

	mu     sync.Mutex
	topics map[string]*memoryTopic
}

type memoryTopic struct {
	topic      commitlog.Topic
	partitions [][]commitlog.Record
	streams    map[string]memoryStream
	time       time.Time
	changed    chan struct{} // closed and replaced by every append
}

// memoryStream lists the offsets of a stream's events, by version-1.
type memoryStream struct {
	partition int32
	offsets   []int64
}

// memoryPartitions is what a topic gets that does not say: as many as at a broker.
const memoryPartitions = 8

// NewMemory makes an empty log.
func NewMemory() *Memory { return NewMemoryAt(time.Now) }

// NewMemoryAt makes an empty log that takes the record time from a clock.
func NewMemoryAt(clock func() time.Time) *Memory {
	return &Memory{clock: clock, topics: map[string]*memoryTopic{}}
}

// Topic looks a topic up.
func (m *Memory) Topic(_ context.Context, name string) (commitlog.Topic, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		return commitlog.Topic{}, &commitlog.UnknownTopicError{Topic: name}
	}
	return t.describe(), nil
}

// CreateTopic creates a topic.
func (m *Memory) CreateTopic(_ context.Context, cfg commitlog.TopicConfig) (commitlog.Topic, error) {
	if err := commitlog.CheckTopic(cfg.Name); err != nil {
		return commitlog.Topic{}, err
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = memoryPartitions
	}
	if cfg.Partitions < 0 || cfg.Partitions > partitionsMax {
		return commitlog.Topic{}, &commitlog.InvalidError{Reason: fmt.Sprintf("topic %q: %d partitions: 1 to %d are possible", cfg.Name, cfg.Partitions, partitionsMax)}
	}
	if cfg.Kind == "" {
		cfg.Kind = commitlog.Versioned
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topics[cfg.Name] != nil {
		return commitlog.Topic{}, fmt.Errorf("%w: %q", commitlog.ErrTopicExists, cfg.Name)
	}
	t := &memoryTopic{
		topic:      commitlog.Topic{Name: cfg.Name, Kind: cfg.Kind, ID: uuid.New(), LogID: uuid.New(), Shards: max(cfg.Shards, 1), Created: m.clock()},
		partitions: make([][]commitlog.Record, cfg.Partitions),
		streams:    map[string]memoryStream{},
		changed:    make(chan struct{}),
	}
	m.topics[cfg.Name] = t
	return t.describe(), nil
}

func (t *memoryTopic) describe() commitlog.Topic {
	d := t.topic
	for _, p := range t.partitions {
		d.Partitions = append(d.Partitions, commitlog.PartitionInfo{End: int64(len(p)), Epoch: 1})
	}
	return d
}

// of finds the topic that a caller has described earlier.
func (m *Memory) of(topic commitlog.Topic) (*memoryTopic, error) {
	t := m.topics[topic.Name]
	if t == nil || t.topic.ID != topic.ID {
		return nil, &commitlog.UnknownTopicError{Topic: topic.Name}
	}
	return t, nil
}

// Append stores all writes or none.
func (m *Memory) Append(ctx context.Context, topic commitlog.Topic, a commitlog.Append) (commitlog.Appended, error) {
	if err := ctx.Err(); err != nil {
		return commitlog.Appended{}, err
	}
	if err := checkAppend(topic, a); err != nil {
		return commitlog.Appended{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.of(topic)
	if err != nil {
		return commitlog.Appended{}, err
	}
	if len(a.Writes) == 1 && a.Writes[0].CommandID != "" {
		if first, ok := t.commanded(a.Writes[0].Stream, a.Writes[0].CommandID); ok {
			return first, nil
		}
	}
	for i := range a.Writes {
		w := &a.Writes[i]
		if err := t.expect(w); err != nil {
			return commitlog.Appended{}, err
		}
	}
	if now := m.clock().Truncate(time.Millisecond); now.After(t.time) {
		t.time = now
	}
	done := commitlog.Appended{Time: t.time}
	for i := range a.Writes {
		written, err := t.store(&a.Writes[i])
		if err != nil {
			return commitlog.Appended{}, err
		}
		done.Writes = append(done.Writes, written)
	}
	close(t.changed)
	t.changed = make(chan struct{})
	return done, nil
}

// checkAppend refuses what a broker would refuse whatever the log holds.
func checkAppend(topic commitlog.Topic, a commitlog.Append) error {
	if len(a.Writes) == 0 {
		return &commitlog.InvalidError{Reason: "an append needs a write"}
	}
	size := 0
	for i := range a.Writes {
		w := &a.Writes[i]
		if err := commitlog.CheckStream(w.Stream); err != nil {
			return err
		}
		switch {
		case len(w.Events) == 0:
			return &commitlog.InvalidError{Reason: fmt.Sprintf("nothing to append to stream %q", w.Stream)}
		case w.CommandID != "" && len(a.Writes) > 1:
			return &commitlog.InvalidError{Reason: "a command id belongs to an append of one write"}
		case slices.ContainsFunc(a.Writes[:i], func(o commitlog.Write) bool { return o.Stream == w.Stream }):
			return &commitlog.InvalidError{Reason: fmt.Sprintf("stream %q is written twice in one append: join the two writes", w.Stream)}
		case wire.ShardOf(partitionOf(w.Stream, topic), max(topic.Shards, 1)) != wire.ShardOf(partitionOf(a.Writes[0].Stream, topic), max(topic.Shards, 1)):
			return &commitlog.InvalidError{Reason: fmt.Sprintf("streams %q and %q lie in different shards: no append covers both", a.Writes[0].Stream, w.Stream)}
		}
		for _, e := range w.Events {
			if len(e.Value) > wire.RecordBytesMax {
				return &commitlog.TooLargeError{What: fmt.Sprintf("an event of stream %q", w.Stream), Size: len(e.Value), Max: wire.RecordBytesMax}
			}
			size += len(e.Value)
		}
	}
	if size > wire.AppendBytesMax {
		return &commitlog.TooLargeError{What: "the append", Size: size, Max: wire.AppendBytesMax}
	}
	return nil
}

func partitionOf(stream string, t commitlog.Topic) int32 {
	return partitioner.Partition(stream, len(t.Partitions))
}

func (t *memoryTopic) expect(w *commitlog.Write) error {
	actual := int64(len(t.streams[w.Stream].offsets))
	if w.Expected == Any || w.Expected == StreamExists && actual > 0 || int64(w.Expected) == actual {
		return nil
	}
	return &commitlog.ConflictError{Topic: t.topic.Name, Stream: w.Stream, Expected: w.Expected, Actual: actual}
}

// commanded answers a command id that the stream has seen.
func (t *memoryTopic) commanded(stream, id string) (commitlog.Appended, bool) {
	s := t.streams[stream]
	var w commitlog.Written
	var at time.Time
	for i, offset := range s.offsets {
		r := &t.partitions[s.partition][offset]
		if c, ok := header(r.Headers, wire.HeaderCommandID); !ok || string(c) != id {
			continue
		}
		if w.Count == 0 {
			w = commitlog.Written{Partition: s.partition, Epoch: 1, FirstOffset: offset, FirstVersion: int64(i) + 1}
			at = r.Time
		}
		w.Count++
	}
	return commitlog.Appended{Writes: []commitlog.Written{w}, Time: at, Duplicate: true}, w.Count > 0
}

func (t *memoryTopic) store(w *commitlog.Write) (commitlog.Written, error) {
	s, ok := t.streams[w.Stream]
	if !ok {
		s.partition = partitioner.Partition(w.Stream, len(t.partitions))
	}
	log := &t.partitions[s.partition]
	done := commitlog.Written{Partition: s.partition, Epoch: 1, Count: len(w.Events), FirstOffset: int64(len(*log)), FirstVersion: int64(len(s.offsets)) + 1}
	for _, e := range w.Events {
		id := e.ID
		if id == uuid.Nil {
			var err error
			if id, err = uuid.NewV7(); err != nil {
				return done, fmt.Errorf("drawing an event id: %w", err)
			}
		}
		s.offsets = append(s.offsets, int64(len(*log)))
		headers := []commitlog.Header{
			{Key: wire.HeaderID, Value: id[:]},
			{Key: wire.HeaderVersion, Value: binary.BigEndian.AppendUint64(nil, uint64(len(s.offsets)))},
		}
		if w.CommandID != "" {
			headers = append(headers, commitlog.Header{Key: wire.HeaderCommandID, Value: []byte(w.CommandID)})
		}
		*log = append(*log, commitlog.Record{
			Partition: s.partition, Offset: int64(len(*log)), Epoch: 1, Time: t.time,
			Key: []byte(strings.Clone(w.Stream)), Value: slices.Clone(e.Value), Headers: append(headers, e.Headers...),
		})
	}
	t.streams[w.Stream] = s
	return done, nil
}

// Records yields a partition.
func (m *Memory) Records(ctx context.Context, topic commitlog.Topic, partition int32, r commitlog.Range) iter.Seq2[commitlog.Record, error] {
	return func(yield func(commitlog.Record, error) bool) {
		to := r.To
		for next, first := r.From, true; ; first = false {
			records, changed, err := m.snapshot(topic, partition)
			switch {
			case err != nil:
				yield(commitlog.Record{}, err)
				return
			case first && (r.From < 0 || r.From > int64(len(records))):
				yield(commitlog.Record{}, &commitlog.OffsetRangeError{Topic: topic.Name, Partition: partition, Offset: r.From, End: int64(len(records))})
				return
			case first && to == 0 && !r.Live:
				to = int64(len(records))
			}
			for ; next < int64(len(records)) && (r.Live && r.To == 0 || next < to); next++ {
				if ctx.Err() != nil {
					break
				}
				if !yield(records[next], nil) {
					return
				}
			}
			if !(r.Live && r.To == 0) && (next >= to || !r.Live) && ctx.Err() == nil {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				yield(commitlog.Record{}, ctx.Err())
				return
			}
		}
	}
}

func (m *Memory) snapshot(topic commitlog.Topic, partition int32) ([]commitlog.Record, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.of(topic)
	if err != nil {
		return nil, nil, err
	}
	if partition < 0 || int(partition) >= len(t.partitions) {
		return nil, nil, &commitlog.InvalidError{Reason: fmt.Sprintf("topic %q has no partition %d", topic.Name, partition)}
	}
	return t.partitions[partition], t.changed, nil
}

// Stream yields a stream.
func (m *Memory) Stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) iter.Seq2[commitlog.StreamRecord, error] {
	return func(yield func(commitlog.StreamRecord, error) bool) {
		records, err := m.stream(topic, q)
		if err != nil {
			yield(commitlog.StreamRecord{}, err)
			return
		}
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				yield(commitlog.StreamRecord{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *Memory) stream(topic commitlog.Topic, q commitlog.StreamQuery) ([]commitlog.StreamRecord, error) {
	if err := commitlog.CheckStream(q.Stream); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.of(topic)
	if err != nil {
		return nil, err
	}
	s := t.streams[q.Stream]
	var records []commitlog.StreamRecord
	for i, offset := range s.offsets {
		r := commitlog.StreamRecord{Record: t.partitions[s.partition][offset], Version: int64(i) + 1}
		if q.CommandID != "" {
			if c, ok := header(r.Headers, wire.HeaderCommandID); !ok || string(c) != q.CommandID {
				continue
			}
		} else if r.Version < q.From {
			continue
		}
		records = append(records, r)
	}
	return records, nil
}
