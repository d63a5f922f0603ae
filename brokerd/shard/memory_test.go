package shard

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// storedRecord is one record of a valid frame, as the tests look at it.
type storedRecord struct {
	StoredEvent
	Partition int32
	Stream    string
	Version   int64
	Command   string
	Kind      []byte
	Tags      [][]byte
	Seq       uint64 // of its frame
	Epoch     uint64 // likewise

	Producer, Sequence uint64 // 0: not the first record of its write
}

// recordsOf decodes the records of a frame without any of the code under test but the batch codec.
func recordsOf(f *Frame) ([]storedRecord, error) {
	var out []storedRecord
	for _, e := range f.Entries {
		for rest := e.Batches; len(rest) > 0; {
			b, after, err := recordbatch.Parse(rest)
			if err != nil {
				return nil, err
			}
			rest = after
			for r, err := range b.Records() {
				if err != nil {
					return nil, err
				}
				id, _ := r.Headers.Get(wire.HeaderID)
				v, _ := r.Headers.Get(wire.HeaderVersion)
				c, _ := r.Headers.Get(wire.HeaderCommandID)
				kind, tags := typeAndTags(r.Headers)
				var producer, sequence uint64
				if p, ok := r.Headers.Get(wire.HeaderProducer); ok {
					producer, sequence = binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[12:])
				}
				out = append(out, storedRecord{
					Kind: kind, Tags: tags, Seq: f.Seq, Epoch: f.Epoch, Producer: producer, Sequence: sequence,
					StoredEvent: StoredEvent{ID: uuid.UUID(id), Offset: r.Offset, Timestamp: r.Timestamp},
					Partition:   e.Partition, Stream: string(r.Key), Version: int64(binary.BigEndian.Uint64(v)), Command: string(c),
				})
			}
		}
	}
	return out, nil
}

func typeAndTags(h recordbatch.Headers) (kind []byte, tags [][]byte) {
	for key, value := range h.All() {
		switch string(key) {
		case wire.HeaderType:
			kind = value
		case wire.HeaderTag:
			tags = append(tags, value)
		}
	}
	return kind, tags
}

// ruledOutBy says whether a condition rules an event out.
func (r *storedRecord) ruledOutBy(cond *wire.Condition) bool {
	has := func(terms [][]byte, term []byte) bool {
		return slices.ContainsFunc(terms, func(t []byte) bool { return string(t) == string(term) })
	}
	return r.Partition == cond.Partition && r.Offset >= cond.After && (len(cond.Types) == 0 || has(cond.Types, r.Kind)) &&
		!slices.ContainsFunc(cond.Tags, func(tag []byte) bool { return !has(r.Tags, tag) })
}

// memory is a materializer in plain maps.
type memory struct {
	streams map[string][]storedRecord
	applied uint64
}

func newMemory() *memory { return &memory{streams: map[string][]storedRecord{}} }

func (m *memory) clone() *memory {
	c := &memory{streams: map[string][]storedRecord{}, applied: m.applied}
	for stream, records := range m.streams {
		c.streams[stream] = slices.Clip(records)
	}
	return c
}

func (m *memory) Apply(c Committed) error {
	records, err := recordsOf(&c.Frame)
	if err != nil {
		return err
	}
	for _, r := range records {
		if int64(len(m.streams[r.Stream]))+1 != r.Version {
			return fmt.Errorf("stream %q: version %d after %d", r.Stream, r.Version, len(m.streams[r.Stream]))
		}
		m.streams[r.Stream] = append(m.streams[r.Stream], r)
	}
	for _, h := range c.Heads {
		if n := int64(len(m.streams[h.Stream])); h.Version > n {
			return fmt.Errorf("head of %q is said to be %d, the frame makes it %d", h.Stream, h.Version, n)
		}
	}
	m.applied = c.State.Seq
	return nil
}

func (m *memory) Begin(s State) error {
	m.streams, m.applied = map[string][]storedRecord{}, s.Seq
	return nil
}

func (m *memory) Head(_ int32, stream []byte) (int64, error) {
	return int64(len(m.streams[string(stream)])), nil
}

func (m *memory) Events(_ int32, stream []byte, from int64, n int) ([]StoredEvent, error) {
	var out []StoredEvent
	for _, r := range m.streams[string(stream)] {
		if r.Version >= from && len(out) < n {
			out = append(out, r.StoredEvent)
		}
	}
	return out, nil
}

func (m *memory) Match(cond *wire.Condition, _ *index.Steps) (int64, bool, error) {
	for _, records := range m.streams {
		for i := range records {
			if records[i].ruledOutBy(cond) {
				return records[i].Offset, true, nil
			}
		}
	}
	return 0, false, nil
}

func (m *memory) Command(_ int32, stream, id []byte) (Written, bool, error) {
	var w Written
	for _, r := range m.streams[string(stream)] {
		if r.Command != string(id) {
			continue
		}
		if w.Count == 0 {
			w = Written{FirstVersion: r.Version, FirstOffset: r.Offset, Timestamp: r.Timestamp}
		}
		w.Count++
	}
	return w, w.Count > 0, nil
}
