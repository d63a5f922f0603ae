package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/zeebo/xxh3"
)

// Kind says what a frame is.
type Kind uint8

// The kinds of frame. A barrier holds no records: it announces a new session of a sequencer. Neither does a snapshot: it says what the log
// before it amounts to, so that the log can be cut there.
const (
	KindData Kind = iota + 1
	KindBarrier
	KindSnapshot
)

// Frame is one engine message: record batches of several partitions under one header and one checksum.
//
// On the log, little-endian:
//
//	 0  magic "STRD"      4
//	 4  format version    1
//	 5  kind              1
//	 6  entries           2
//	 8  log UUID         16
//	24  epoch             8
//	32  session           8
//	40  seq               8   the engine sequence that the frame is meant for
//	48  sum of the last valid frame before it   8
//	56  time              8   newest record time so far, ms since 1970
//	64  entries: partition 4, base offset 8, record count 4, bytes of its batches 4
//	    the batches, in the order of the entries; or the body of a snapshot, which has no entries (see Snapshot)
//	    xxh3 of all of the above   8
type Frame struct {
	Kind    Kind
	LogID   uuid.UUID
	Epoch   uint64
	Session uint64
	Seq     uint64
	Prev    uint64
	Time    int64
	Entries []FrameEntry
	Body    []byte // of a snapshot
	Sum     uint64
}

// FrameEntry is one partition's part of a frame: whole RecordBatch v2s back to back, dense from Base on.
type FrameEntry struct {
	Partition int32
	Base      int64
	Count     int32
	Batches   []byte
}

const (
	frameMagic      = "STRD"
	frameVersion    = 2
	frameHeaderSize = 64
	frameEntrySize  = 20
	frameSumSize    = 8
)

// ErrFrame is any damage to a frame's bytes: a wrong checksum, or a structure that contradicts itself.
var ErrFrame = errors.New("damaged frame")

// AppendTo appends the frame's encoding to dst and sets Sum.
func (f *Frame) AppendTo(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = append(dst, frameVersion, byte(f.Kind))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(f.Entries)))
	dst = append(dst, f.LogID[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, f.Epoch)
	dst = binary.LittleEndian.AppendUint64(dst, f.Session)
	dst = binary.LittleEndian.AppendUint64(dst, f.Seq)
	dst = binary.LittleEndian.AppendUint64(dst, f.Prev)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.Time))
	for _, e := range f.Entries {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Partition))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Base))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(e.Count))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(e.Batches)))
	}
	for _, e := range f.Entries {
		dst = append(dst, e.Batches...)
	}
	dst = append(dst, f.Body...)
	f.Sum = xxh3.Hash(dst[start:])
	return binary.LittleEndian.AppendUint64(dst, f.Sum)
}

// DecodeFrame reads a whole frame. The batches are views into b. Every error is an ErrFrame.
func DecodeFrame(b []byte) (Frame, error) {
	if len(b) < frameHeaderSize+frameSumSize {
		return Frame{}, fmt.Errorf("%w: %d bytes are too few", ErrFrame, len(b))
	}
	body := b[:len(b)-frameSumSize]
	sum := binary.LittleEndian.Uint64(b[len(body):])
	if xxh3.Hash(body) != sum {
		return Frame{}, fmt.Errorf("%w: checksum does not match", ErrFrame)
	}
	if string(b[:4]) != frameMagic || b[4] != frameVersion {
		return Frame{}, fmt.Errorf("%w: magic %q, format %d", ErrFrame, b[:4], b[4])
	}
	f := Frame{
		Kind:    Kind(b[5]),
		LogID:   uuid.UUID(b[8:24]),
		Epoch:   binary.LittleEndian.Uint64(b[24:]),
		Session: binary.LittleEndian.Uint64(b[32:]),
		Seq:     binary.LittleEndian.Uint64(b[40:]),
		Prev:    binary.LittleEndian.Uint64(b[48:]),
		Time:    int64(binary.LittleEndian.Uint64(b[56:])),
		Sum:     sum,
	}
	if f.Kind < KindData || f.Kind > KindSnapshot {
		return Frame{}, fmt.Errorf("%w: kind %d", ErrFrame, f.Kind)
	}
	count := int(binary.LittleEndian.Uint16(b[6:]))
	rest := body[frameHeaderSize:]
	if count*frameEntrySize > len(rest) {
		return Frame{}, fmt.Errorf("%w: %d entries in %d bytes", ErrFrame, count, len(rest))
	}
	if f.Kind != KindData && count != 0 {
		return Frame{}, fmt.Errorf("%w: %d entries in a frame of kind %d", ErrFrame, count, f.Kind)
	}
	if f.Kind == KindSnapshot {
		f.Body, rest = slices.Clip(rest), nil
	}
	if err := f.decodeEntries(rest[:count*frameEntrySize], rest[count*frameEntrySize:]); err != nil {
		return Frame{}, err
	}
	return f, nil
}

func (f *Frame) decodeEntries(table, batches []byte) error {
	if len(table) > 0 {
		f.Entries = make([]FrameEntry, 0, len(table)/frameEntrySize)
	}
	last := int32(-1)
	for ; len(table) > 0; table = table[frameEntrySize:] {
		e := FrameEntry{
			Partition: int32(binary.LittleEndian.Uint32(table)),
			Base:      int64(binary.LittleEndian.Uint64(table[4:])),
			Count:     int32(binary.LittleEndian.Uint32(table[12:])),
		}
		size := int64(binary.LittleEndian.Uint32(table[16:]))
		if e.Partition <= last || e.Base < 0 || e.Count <= 0 || size > int64(len(batches)) {
			return fmt.Errorf("%w: entry of partition %d (base %d, count %d, %d bytes) is impossible", ErrFrame, e.Partition, e.Base, e.Count, size)
		}
		last = e.Partition
		e.Batches, batches = batches[:size:size], batches[size:]
		f.Entries = append(f.Entries, e)
	}
	if len(batches) != 0 {
		return fmt.Errorf("%w: %d bytes after the last batch", ErrFrame, len(batches))
	}
	return nil
}
