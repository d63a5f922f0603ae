package shard

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// frameBuilder packs appends into one record batch for each partition. Its buffers are used again for every frame.
type frameBuilder struct {
	slots     []slotBuilder
	time      int64
	epoch     int32
	size      int // upper bound of what the batches take so far
	headers   []byte
	layout    Layout
	encodings []byte
}

type slotBuilder struct {
	batch recordbatch.Builder // of appends
	raw   []rawBatch          // of producers; a topic has the one or the other
	count int                 // records of raw
	base  int64
}

// rawBatch is a batch that is stored as its producer built it.
type rawBatch struct {
	bytes []byte
	count int
	timed bool // it keeps its record times
}

func (b *frameBuilder) reset(s *State, time int64) {
	b.layout, b.time, b.size = s.layout, time, 0
	b.epoch = int32(min(s.Epoch, 1<<31-1))
	if b.slots == nil {
		b.slots = make([]slotBuilder, len(s.Next))
	}
	for i := range b.slots {
		b.slots[i].base = s.Next[i]
		b.slots[i].batch.Reset(s.Next[i], time, b.epoch)
		clear(b.slots[i].raw)
		b.slots[i].raw, b.slots[i].count = b.slots[i].raw[:0], 0
	}
}

// add stamps the events of an append's i-th write with their versions and returns the offset of the first.
func (b *frameBuilder) add(a *Append, i int, firstVersion int64) int64 {
	w := &a.Writes[i]
	slot, _ := b.layout.Slot(w.Partition)
	s := &b.slots[slot]
	first := s.base + int64(s.batch.Count())
	var version [8]byte
	var producer [producerHeaderSize]byte
	for j := range w.Events {
		e := &w.Events[j]
		count := e.HeaderCount + 2
		binary.BigEndian.PutUint64(version[:], uint64(firstVersion+int64(j)))
		b.headers = recordbatch.AppendHeader(b.headers[:0], wire.HeaderID, e.ID[:])
		b.headers = recordbatch.AppendHeader(b.headers, wire.HeaderVersion, version[:])
		if j == 0 {
			p := producerHeader{
				producer: a.Producer, epoch: a.ProducerEpoch, sequence: a.Sequence,
				write: uint16(i), count: uint32(len(w.Events)), hash: a.hash,
			}.appendTo(producer[:0])
			b.headers = recordbatch.AppendHeader(b.headers, wire.HeaderProducer, p)
			count++
		}
		if len(w.CommandID) > 0 {
			b.headers = recordbatch.AppendHeader(b.headers, wire.HeaderCommandID, w.CommandID)
			count++
		}
		b.headers = append(b.headers, e.Headers...)
		s.batch.Append(recordbatch.Entry{Timestamp: b.time, Key: w.Stream, Value: e.Value, HeaderCount: count, Headers: b.headers})
	}
	b.size += a.bytes
	return first
}

// addBatch takes in a batch as it is and returns the offset of its first record.
func (b *frameBuilder) addBatch(a *Append, timed bool) int64 {
	slot, _ := b.layout.Slot(a.Batch.Partition)
	s := &b.slots[slot]
	first := s.base + int64(s.count)
	s.raw = append(s.raw, rawBatch{bytes: a.Batch.Bytes, count: a.Batch.Info.Count, timed: timed})
	s.count += a.Batch.Info.Count
	b.size += a.bytes
	return first
}

// stamp appends the raw batches of a slot to dst, with their offsets, epoch and record time.
func (b *frameBuilder) stamp(dst []byte, s *slotBuilder) []byte {
	base := s.base
	for _, r := range s.raw {
		from := len(dst)
		dst = append(dst, r.bytes...)
		recordbatch.Stamp(dst[from:], base, b.epoch)
		if !r.timed {
			recordbatch.StampTime(dst[from:], b.time)
		}
		base += int64(r.count)
	}
	return dst
}

// rawBytes is what the batches of producers take.
func (b *frameBuilder) rawBytes() (n int) {
	for i := range b.slots {
		for _, r := range b.slots[i].raw {
			n += len(r.bytes)
		}
	}
	return n
}

// entries finishes the batches. They are valid until the next reset.
func (b *frameBuilder) entries(dst []FrameEntry) []FrameEntry {
	b.encodings = slices.Grow(b.encodings[:0], b.rawBytes())
	for i := range b.slots {
		s := &b.slots[i]
		if n := s.batch.Count() + s.count; n > 0 {
			from := len(b.encodings)
			b.encodings = b.stamp(s.batch.AppendTo(b.encodings), s)
			dst = append(dst, FrameEntry{Partition: b.layout.Partition(i), Base: s.base, Count: int32(n), Batches: b.encodings[from:]})
		}
	}
	// The buffer may have moved while it grew.
	at := 0
	for i := range dst {
		n := len(dst[i].Batches)
		dst[i].Batches, at = b.encodings[at:at+n:at+n], at+n
	}
	return dst
}

// encodingsKept is how large a buffer may be that waits for the next frame: there is one for each shard, and most of them are idle.
const encodingsKept = 512 << 10

// trim gives large buffers back. The entries of the frame are not valid any more.
func (b *frameBuilder) trim() {
	if cap(b.encodings) > encodingsKept {
		b.encodings = nil
	}
}

func (b *frameBuilder) sizeOf(f *Frame) int {
	n := frameHeaderSize + frameSumSize + len(f.Body)
	for _, e := range f.Entries {
		n += frameEntrySize + len(e.Batches)
	}
	return n
}

// scan reads from a frame what its own sequencer knew when it built it: versions of streams, or newest offsets of keys, and the sequences
// of producers.
func scan(kind string, f *Frame) ([]Head, []producerWrite, error) {
	if kind != wire.KindVersioned {
		return scanBatches(kind, f)
	}
	var heads []Head
	var writes []producerWrite
	for _, e := range f.Entries {
		next := e.Base
		for rest := e.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
			}
			rest = after
			for r, err := range batch.Records() {
				if err != nil {
					return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, next, err)
				}
				if r.Offset != next {
					return nil, nil, fmt.Errorf("partition %d: offset %d where %d is due", e.Partition, r.Offset, next)
				}
				next++
				version, err := versionOf(r.Headers)
				if err != nil {
					return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, r.Offset, err)
				}
				heads = append(heads, Head{Partition: e.Partition, Stream: string(r.Key), Version: version})
				if p, ok := r.Headers.Get(wire.HeaderProducer); ok {
					h, err := decodeProducerHeader(p)
					if err != nil {
						return nil, nil, fmt.Errorf("partition %d at offset %d: %w", e.Partition, r.Offset, err)
					}
					writes = append(writes, producerWrite{producer: h.producer, stored: stored{
						sequence: h.sequence, hash: h.hash, firstOffset: r.Offset, firstVersion: version,
						partition: e.Partition, write: h.write, count: int32(h.count), timestamp: r.Timestamp,
					}})
				}
			}
		}
		if next != e.Base+int64(e.Count) {
			return nil, nil, fmt.Errorf("partition %d: %d records where the frame's header counts %d", e.Partition, next-e.Base, e.Count)
		}
	}
	return heads, writes, nil
}
