package index

import (
	"encoding/binary"
	"errors"

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
}

// PartitionMark is the end of one partition at a watermark. Marks are in the order of the shard's slots.
type PartitionMark struct {
	Next int64         // next offset
	End  segment.Place // end of its segments
}

const (
	watermarkSize     = 16 + 4*8 + 8
	partitionMarkSize = 3 * 8
)

var errWatermarkRow = errors.New("watermark has an impossible length or a negative number")

// check refuses what decodeWatermark would refuse.
func (w *Watermark) check() error {
	for _, p := range w.Partitions {
		if p.Next < 0 || p.End.File < 0 || p.End.Pos < 0 {
			return errWatermarkRow
		}
	}
	return nil
}

func (w *Watermark) encode() []byte {
	dst := make([]byte, 0, watermarkSize+len(w.Partitions)*partitionMarkSize)
	dst = append(dst, w.LogID[:]...)
	for _, n := range [...]uint64{w.Seq, w.Epoch, w.Session, w.Sum, uint64(w.Time)} {
		dst = binary.BigEndian.AppendUint64(dst, n)
	}
	for _, p := range w.Partitions {
		for _, n := range [...]int64{p.Next, p.End.File, p.End.Pos} {
			dst = binary.BigEndian.AppendUint64(dst, uint64(n))
		}
	}
	return dst
}

func decodeWatermark(b []byte) (Watermark, error) {
	if len(b) < watermarkSize || (len(b)-watermarkSize)%partitionMarkSize != 0 {
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
	for b = b[watermarkSize:]; len(b) > 0; b = b[partitionMarkSize:] {
		p := PartitionMark{
			Next: int64(binary.BigEndian.Uint64(b)),
			End: segment.Place{
				File: int64(binary.BigEndian.Uint64(b[8:])),
				Pos:  int64(binary.BigEndian.Uint64(b[16:])),
			},
		}
		w.Partitions = append(w.Partitions, p)
	}
	if err := w.check(); err != nil {
		return Watermark{}, err
	}
	return w, nil
}
