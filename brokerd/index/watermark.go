package index

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/strandlog/strand/brokerd/segment"
)

// Watermark says how far the index goes: it is complete up to and including the frame at Seq, and knows nothing after it.
type Watermark struct {
	LogID      uuid.UUID
	Seq        uint64 // engine sequence of the newest message that was looked at
	Epoch      uint64
	Session    uint64
	Sum        uint64 // of the last valid frame
	Time       int64  // newest record time, ms since 1970
	Partitions []PartitionMark
	Log        []byte // what else the shard remembers of the log up to here; opaque
}

// PartitionMark is the end of one partition at a watermark. Marks are in the order of the shard's slots.
type PartitionMark struct {
	Next  int64         // next offset
	Start int64         // first offset that is kept
	End   segment.Place // end of its segments
}

const (
	watermarkSize     = 16 + 4*8 + 8 + 4
	partitionMarkSize = 4 * 8
)

var errWatermarkRow = errors.New("watermark has an impossible length or a negative number")

// check refuses what decodeWatermark would refuse.
func (w *Watermark) check() error {
	for _, p := range w.Partitions {
		if p.Next < 0 || p.Start < 0 || p.Start > p.Next || p.End.File < 0 || p.End.Pos < 0 {
			return errWatermarkRow
		}
	}
	return nil
}

func (w *Watermark) encode() []byte {
	dst := make([]byte, 0, watermarkSize+len(w.Partitions)*partitionMarkSize+len(w.Log))
	dst = append(dst, w.LogID[:]...)
	for _, n := range [...]uint64{w.Seq, w.Epoch, w.Session, w.Sum, uint64(w.Time)} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(w.Partitions)))
	for _, p := range w.Partitions {
		for _, n := range [...]int64{p.Next, p.Start, p.End.File, p.End.Pos} {
			dst = binary.BigEndian.AppendUint64(dst, uint64(n))
		}
	}
	return append(dst, w.Log...)
}

func decodeWatermark(b []byte) (Watermark, error) {
	if len(b) < watermarkSize {
		return Watermark{}, errWatermarkRow
	}
	partitions := int(binary.BigEndian.Uint32(b[watermarkSize-4:]))
	if partitions > (len(b)-watermarkSize)/partitionMarkSize {
		return Watermark{}, errWatermarkRow
	}
	w := Watermark{
		LogID:   uuid.UUID(b[:16]),
		Seq:     binary.BigEndian.Uint64(b[16:]),
		Epoch:   binary.BigEndian.Uint64(b[24:]),
		Session: binary.BigEndian.Uint64(b[32:]),
		Sum:     binary.BigEndian.Uint64(b[40:]),
		Time:    int64(binary.BigEndian.Uint64(b[48:])),
	}
	b = b[watermarkSize:]
	for range partitions {
		w.Partitions = append(w.Partitions, PartitionMark{
			Next:  int64(binary.BigEndian.Uint64(b)),
			Start: int64(binary.BigEndian.Uint64(b[8:])),
			End: segment.Place{
				File: int64(binary.BigEndian.Uint64(b[16:])),
				Pos:  int64(binary.BigEndian.Uint64(b[24:])),
			},
		})
		b = b[partitionMarkSize:]
	}
	if len(b) > 0 {
		w.Log = slices.Clone(b)
	}
	if err := w.check(); err != nil {
		return Watermark{}, err
	}
	return w, nil
}
