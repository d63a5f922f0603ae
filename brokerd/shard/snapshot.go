package shard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// Snapshot is the body of a snapshot frame: what the log before it amounts to, beyond what its header says. With it a reader can begin there.
//
// On the log, little-endian:
//
//	0  slots 4, then for each: next offset 8, start 8
//	   bytes of all batches so far 8
//	   epoch up to which producers are forgotten 8
//	   producers 4, then for each: id 8, bytes of its row 4, the row (see producer.encode)
type Snapshot struct {
	Next      []int64 // by slot
	Starts    []int64 // first offset that is kept, by slot
	Bytes     int64
	Forgotten uint64 // of what producers stored up to this epoch something may be missing below
	Producers []producerRow
}

// producerRow is what is remembered of one producer, encoded.
type producerRow struct {
	id  uint64
	row []byte
}

var errSnapshot = errors.New("the snapshot contradicts itself")

func (s *Snapshot) appendTo(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.Next)))
	for i, next := range s.Next {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(next))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Starts[i]))
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Bytes))
	dst = binary.LittleEndian.AppendUint64(dst, s.Forgotten)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.Producers)))
	for _, p := range s.Producers {
		dst = binary.LittleEndian.AppendUint64(dst, p.id)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.row)))
		dst = append(dst, p.row...)
	}
	return dst
}

// decodeSnapshot reads the snapshot of a shard of so many slots. Its rows are views into b.
func decodeSnapshot(b []byte, slots int) (Snapshot, error) {
	var s Snapshot
	if len(b) < 4+16*slots+8+8+4 || int(binary.LittleEndian.Uint32(b)) != slots {
		return s, errSnapshot
	}
	b = b[4:]
	s.Next, s.Starts = make([]int64, slots), make([]int64, slots)
	for i := range slots {
		s.Next[i], s.Starts[i] = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
		if s.Starts[i] < 0 || s.Starts[i] > s.Next[i] {
			return s, errSnapshot
		}
		b = b[16:]
	}
	s.Bytes = int64(binary.LittleEndian.Uint64(b))
	s.Forgotten = binary.LittleEndian.Uint64(b[8:])
	n := int(binary.LittleEndian.Uint32(b[16:]))
	b = b[20:]
	if s.Bytes < 0 || n > len(b)/12 {
		return s, errSnapshot
	}
	s.Producers = make([]producerRow, 0, n)
	for range n {
		if len(b) < 12 {
			return s, errSnapshot
		}
		size := int(binary.LittleEndian.Uint32(b[8:]))
		if size > len(b)-12 {
			return s, errSnapshot
		}
		s.Producers = append(s.Producers, producerRow{id: binary.LittleEndian.Uint64(b), row: b[12 : 12+size : 12+size]})
		b = b[12+size:]
	}
	if len(b) > 0 {
		return s, errSnapshot
	}
	return s, nil
}

// pointsMax bounds the points of a state. The more there are, the closer the log is cut to what it need not keep.
const pointsMax = 32

// addPoint adds the newest point. Of those at which nothing is kept only the newest stays: the log is cut there. When there are too many, every
// other one goes.
func addPoint(points []Point, p Point, starts []int64) []Point {
	out := append(slices.Clone(points), p)
	if cut := newestCut(out, starts); cut > 0 {
		out = out[cut:]
	}
	if len(out) > pointsMax {
		kept := out[:0]
		for i := range out {
			if i == 0 || i == len(out)-1 || i%2 == 0 {
				kept = append(kept, out[i])
			}
		}
		out = kept
	}
	return out
}

// newestCut is the newest point before which no record is kept, -1 when there is none.
func newestCut(points []Point, starts []int64) int {
	for i, p := range slices.Backward(points) {
		kept := false
		for slot, next := range p.Next {
			kept = kept || next > starts[slot]
		}
		if !kept {
			return i
		}
	}
	return -1
}

// snapshot publishes a snapshot of the committed state for the append at the head of the queue, with nothing else in flight.
func (c *Core) snapshot(now time.Time) {
	a := c.queue[0]
	c.queue[0], c.queue = nil, c.queue[1:]
	starts := slices.Clone(c.spec.Starts)
	for slot, start := range a.Starts {
		if start > c.spec.Next[slot] {
			c.reply(a, wire.AppendResult{Code: wire.OffsetRange, Actual: c.spec.Next[slot], Detail: fmt.Sprintf("partition %d ends at offset %d", c.cfg.Layout.Partition(slot), c.spec.Next[slot])})
			return
		}
		starts[slot] = max(starts[slot], start)
	}
	body := Snapshot{Next: c.spec.Next, Starts: starts, Bytes: c.spec.Bytes}
	body.Producers, body.Forgotten = c.producers.snapshot(c.cfg.SnapshotBytesMax, c.spec.Time)
	f := &flight{frame: Frame{
		Kind: KindSnapshot, LogID: c.cfg.LogID, Epoch: c.spec.Epoch, Session: c.session,
		Seq: c.spec.Seq + 1, Prev: c.spec.Sum, Time: max(c.spec.Time, now.UnixMilli()), Body: body.appendTo(nil),
	}}
	f.attach(a, wire.AppendResult{Code: wire.OK})
	c.send(f)
}
