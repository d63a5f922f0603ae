package shard

import (
	"encoding/binary"
	"errors"

	"github.com/strandlog/strand/internal/wire"
)

// producer is what the shard remembers of one producer: its newest writes, by sequence and index.
type producer struct {
	newest    uint64 // highest sequence stored
	floor     uint64 // of this sequence and those below nothing is remembered
	used      int64  // log time of the newest write
	epoch     uint64 // of the newest write
	forgotten uint64 // of what it stored up to this epoch something may be forgotten: it was itself, before it came back
	history
	dirty bool // changed since the last index run
}

const (
	producerRowHeader = 8 + 8 + 8 + 8 // floor, used, epoch, forgotten
	storedSize        = 8 + 8 + 8 + 8 + 4 + 2 + 4 + 8
)

func (pr *producer) encode() []byte {
	b := make([]byte, 0, producerRowHeader+pr.writes()*storedSize)
	b = binary.LittleEndian.AppendUint64(b, pr.floor)
	b = binary.LittleEndian.AppendUint64(b, uint64(pr.used))
	b = binary.LittleEndian.AppendUint64(b, pr.epoch)
	b = binary.LittleEndian.AppendUint64(b, pr.forgotten)
	for s := range pr.all() {
		b = binary.LittleEndian.AppendUint64(b, s.sequence)
		b = binary.LittleEndian.AppendUint64(b, s.hash)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.firstOffset))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.firstVersion))
		b = binary.LittleEndian.AppendUint32(b, uint32(s.partition))
		b = binary.LittleEndian.AppendUint16(b, s.write)
		b = binary.LittleEndian.AppendUint32(b, uint32(s.count))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.timestamp))
	}
	return b
}

var errProducerRow = errors.New("producer row of the index has an impossible length or content")

func (pr *producer) decode(b []byte) error {
	if len(b) < producerRowHeader || (len(b)-producerRowHeader)%storedSize != 0 {
		return errProducerRow
	}
	pr.floor, pr.used = binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	pr.epoch, pr.forgotten = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	pr.newest = pr.floor
	b = b[producerRowHeader:]
	pr.places = make([]place, 0, len(b)/storedSize)
	for before := (stored{}); len(b) > 0; b = b[storedSize:] {
		s := stored{
			sequence:     binary.LittleEndian.Uint64(b),
			hash:         binary.LittleEndian.Uint64(b[8:]),
			firstOffset:  int64(binary.LittleEndian.Uint64(b[16:])),
			firstVersion: int64(binary.LittleEndian.Uint64(b[24:])),
			partition:    int32(binary.LittleEndian.Uint32(b[32:])),
			write:        binary.LittleEndian.Uint16(b[36:]),
			count:        int32(binary.LittleEndian.Uint32(b[38:])),
			timestamp:    int64(binary.LittleEndian.Uint64(b[42:])),
		}
		if s.partition < 0 || s.partition >= wire.PartitionsMax || len(pr.places) > 0 && !before.precedes(&s) {
			return errProducerRow
		}
		pr.newest = max(pr.newest, s.sequence)
		pr.insert(len(pr.appends), len(pr.places), s)
		before = s
	}
	return nil
}
