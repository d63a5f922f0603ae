package eventstore

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// memoryTopic is one topic of a Memory.
type memoryTopic struct {
	name      string
	kind      commitlog.Kind
	id, logID uuid.UUID
	shards    int
	created   time.Time

	partitions [][]commitlog.Record // only ever appended to: readers share what they have seen of it
	streams    map[string]*memoryStream
	time       time.Time     // of the newest record
	changed    chan struct{} // closed and replaced by every append
}

// memoryStream says where a stream's events lie.
type memoryStream struct {
	partition int32
	offsets   []int64                  // by version-1
	commands  map[string]memoryCommand // by command id
}

// memoryCommand is what was stored under a command id: count versions from first on.
type memoryCommand struct {
	first int64
	count int
}

// memoryEpoch is the epoch of a log whose leader never changes.
const memoryEpoch = 1

func (t *memoryTopic) describe() commitlog.Topic {
	d := commitlog.Topic{Name: t.name, Kind: t.kind, ID: t.id, LogID: t.logID, Shards: t.shards, Created: t.created}
	for _, p := range t.partitions {
		d.Partitions = append(d.Partitions, commitlog.PartitionInfo{End: int64(len(p)), Epoch: memoryEpoch})
	}
	return d
}

// stream returns a stream, an empty one if nothing was ever appended to it.
func (t *memoryTopic) stream(name string) *memoryStream {
	if s := t.streams[name]; s != nil {
		return s
	}
	return &memoryStream{partition: partitioner.Partition(name, len(t.partitions))}
}

// record is a version of a stream.
func (t *memoryTopic) record(s *memoryStream, version int64) commitlog.StreamRecord {
	return commitlog.StreamRecord{Record: t.partitions[s.partition][s.offsets[version-1]], Version: version}
}

// written describes count versions of a stream from first on.
func (t *memoryTopic) written(s *memoryStream, first int64, count int) commitlog.Written {
	return commitlog.Written{Partition: s.partition, Epoch: memoryEpoch, Count: count, FirstOffset: s.offsets[first-1], FirstVersion: first}
}

// advance moves the record time to the clock's, never back. Brokers count it in milliseconds, and in UTC.
func (t *memoryTopic) advance(now time.Time) {
	if now = time.UnixMilli(now.UnixMilli()).UTC(); now.After(t.time) {
		t.time = now
	}
}

// store adds a write's events, whose ids are ids.
func (t *memoryTopic) store(w *commitlog.Write, ids []uuid.UUID) commitlog.Written {
	s := t.stream(w.Stream)
	t.streams[w.Stream] = s
	log := &t.partitions[s.partition]
	first := int64(len(s.offsets)) + 1
	if w.CommandID != "" {
		if s.commands == nil {
			s.commands = map[string]memoryCommand{}
		}
		s.commands[w.CommandID] = memoryCommand{first: first, count: len(w.Events)}
	}
	for i := range w.Events {
		e := &w.Events[i]
		s.offsets = append(s.offsets, int64(len(*log)))
		*log = append(*log, commitlog.Record{
			Partition: s.partition, Offset: int64(len(*log)), Epoch: memoryEpoch, Time: t.time,
			Key: []byte(w.Stream), Value: slices.Clone(e.Value), Headers: storedHeaders(e.Headers, ids[i], int64(len(s.offsets)), w.CommandID),
		})
	}
	return t.written(s, first, len(w.Events))
}

// storedHeaders are an event's headers with those that the log writes.
func storedHeaders(given []commitlog.Header, id uuid.UUID, version int64, commandID string) []commitlog.Header {
	headers := make([]commitlog.Header, 0, len(given)+3)
	headers = append(headers,
		commitlog.Header{Key: wire.HeaderID, Value: id[:]},
		commitlog.Header{Key: wire.HeaderVersion, Value: binary.BigEndian.AppendUint64(nil, uint64(version))},
	)
	if commandID != "" {
		headers = append(headers, commitlog.Header{Key: wire.HeaderCommandID, Value: []byte(commandID)})
	}
	for _, h := range given {
		if h.Key != wire.HeaderCommandID {
			headers = append(headers, commitlog.Header{Key: h.Key, Value: slices.Clone(h.Value)})
		}
	}
	return headers
}
