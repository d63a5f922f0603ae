package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Begin forgets everything and starts over at a state: the log was cut there. Nobody reads yet, and nothing waits for the writer.
func (s *store) Begin(state State) error {
	s.log.Info("the log begins at a snapshot: segments and index are rebuilt from there", "seq", state.Seq)
	errs := []error{s.db.Close(), index.Drop(s.indexDir())}
	for _, l := range s.segments {
		errs = append(errs, l.Remove())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("dropping segments and index: %w", err)
	}
	db, err := index.Open(s.indexDir(), index.Config{})
	if err != nil {
		return fmt.Errorf("opening the index: %w", err)
	}
	segments := make([]*segment.Log, len(s.segments))
	for slot := range segments {
		if segments[slot], err = segment.Open(segment.Config{Dir: s.segmentDir(slot), BytesMax: s.cfg.segmentBytes}, state.Next[slot], segment.Place{}); err != nil {
			return errors.Join(fmt.Errorf("opening the segments of partition %d: %w", s.layout.Partition(slot), err), db.Close())
		}
	}
	s.heads = index.NewHeads(s.cfg.headsMax)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.segments, s.tail = db, segments, index.NewTail()
	s.applied, s.written = state.Clone(), state.Clone()
	return nil
}

// cut gives back the disk space of what lies before the starts that are on disk in the index. It returns the newest snapshot before which the
// log need not keep anything, nil when there is none.
func (s *store) cut(ctx context.Context) (*Point, error) {
	done := make(chan error, 1)
	s.mu.Lock()
	if s.err != nil || s.closing {
		defer s.mu.Unlock()
		return nil, errors.Join(s.err, ErrClosed)
	}
	at := s.written // the run comes later, and so holds at least this
	s.runs = append(s.runs, done)
	s.wake.Broadcast()
	s.mu.Unlock()
	select {
	case err := <-done:
		if err != nil {
			return nil, err
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for slot, l := range s.segments {
		if err := l.Trim(at.Starts[slot]); err != nil {
			return nil, fmt.Errorf("trimming the segments of partition %d: %w", s.layout.Partition(slot), err)
		}
	}
	i := newestCut(at.Points, at.Starts)
	if i < 0 {
		return nil, nil
	}
	return &at.Points[i], nil
}

// sweep lets the index forget the keys of a table whose newest record was cut away.
func (s *store) sweep(w *index.Watermark) error {
	if s.cfg.kind != wire.KindTable {
		return nil
	}
	for slot, p := range w.Partitions {
		if err := s.db.Sweep(s.layout.Partition(slot), p.Start); err != nil {
			return fmt.Errorf("sweeping the index of partition %d: %w", s.layout.Partition(slot), err)
		}
	}
	return nil
}

// indexKeys notes where the newest record of each key of a batch is.
func indexKeys(tail *index.Tail, partition int32, batch recordbatch.Batch, at segment.Place) error {
	for r, err := range batch.Records() {
		if err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
		if err := tail.Add(index.Entry{
			Partition: partition, Stream: string(r.Key), Version: r.Offset + 1,
			Pointer: index.Pointer{Offset: r.Offset, Timestamp: r.Timestamp, Place: at},
		}); err != nil {
			return fmt.Errorf("partition %d at offset %d: %w", partition, r.Offset, err)
		}
	}
	return nil
}

var errExtent = errors.New("what the index says of the log's snapshots does not decode")

// appendExtent encodes what the watermark keeps of a state beside its offsets: bytes 8, points 4, then for each seq 8, time 8, bytes 8 and the next
// offset 8 of each slot, little-endian. What appendForgotten adds follows.
func appendExtent(dst []byte, s *State) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(s.Bytes))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s.Points)))
	for _, p := range s.Points {
		dst = binary.LittleEndian.AppendUint64(dst, p.Seq)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Time))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.Bytes))
		for _, next := range p.Next {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(next))
		}
	}
	return dst
}

// appendForgotten encodes the epoch up to which the rows of producers have forgotten something, which is known when they are written.
func appendForgotten(dst []byte, epoch uint64) []byte {
	return binary.LittleEndian.AppendUint64(dst, epoch)
}

func decodeExtent(b []byte, slots int) (bytes int64, points []Point, forgotten uint64, err error) {
	if len(b) < 8+4+8 {
		return 0, nil, 0, errExtent
	}
	forgotten, b = binary.LittleEndian.Uint64(b[len(b)-8:]), b[:len(b)-8]
	bytes = int64(binary.LittleEndian.Uint64(b))
	n := int(binary.LittleEndian.Uint32(b[8:]))
	b = b[12:]
	if len(b)%(24+8*slots) != 0 || len(b)/(24+8*slots) != n {
		return 0, nil, 0, errExtent
	}
	for range n {
		p := Point{Seq: binary.LittleEndian.Uint64(b), Time: int64(binary.LittleEndian.Uint64(b[8:])), Bytes: int64(binary.LittleEndian.Uint64(b[16:]))}
		b = b[24:]
		for range slots {
			p.Next = append(p.Next, int64(binary.LittleEndian.Uint64(b)))
			b = b[8:]
		}
		points = append(points, p)
	}
	return bytes, points, forgotten, nil
}
