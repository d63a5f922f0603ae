package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// cleaner keeps the log of a table topic within a small multiple of its live records. A pass notes where the log ends by a snapshot, appends the
// live records before it again, and then moves the starts there. A record is live when it is the newest of its key and no tombstone. Tombstones
// need not be kept: who has not read one reads from before the start, and is told.
//
// A pass that breaks off has done no harm: what was moved is where it is, and the next pass begins with what is left.
type cleaner struct {
	shard *Shard
	live  int64 // bytes that the last pass found, and what was written meanwhile
}

const (
	cleanBytesMin = 4 << 20   // that the log grows before a pass
	moveBytesMax  = 256 << 10 // records moved at once
)

// turn makes a pass when it pays: then at least half of what is read goes.
func (c *cleaner) turn(ctx context.Context) error {
	at := c.shard.store.appliedState()
	if held := at.Bytes - heldFrom(&at); held < 2*c.live+cleanBytesMin {
		return nil
	}
	return c.pass(ctx)
}

// heldFrom is the count of bytes at which the log that is kept begins.
func heldFrom(at *State) int64 {
	if i := newestCut(at.Points, at.Starts); i >= 0 {
		return at.Points[i].Bytes
	}
	return 0
}

func (c *cleaner) pass(ctx context.Context) error {
	s := c.shard
	if err := s.snapshot(ctx, make([]int64, s.cfg.Layout.Len())); err != nil {
		return err
	}
	at := s.store.appliedState()
	to := at.Points[len(at.Points)-1]
	for slot, end := range to.Next {
		if err := c.move(ctx, slot, at.Starts[slot], end); err != nil {
			return fmt.Errorf("cleaning partition %d: %w", s.cfg.Layout.Partition(slot), err)
		}
	}
	if err := s.snapshot(ctx, to.Next); err != nil {
		return err
	}
	after := s.store.appliedState()
	c.live = after.Bytes - to.Bytes
	s.cfg.Logger.Info("cleaned a table", "bytes_before", to.Bytes-heldFrom(&at), "bytes_after", c.live)
	return nil
}

// move appends the live records of a range of offsets again.
func (c *cleaner) move(ctx context.Context, slot int, from, to int64) error {
	store := c.shard.store
	if _, err := store.reach(ctx, slot, to); err != nil {
		return err
	}
	m := movement{cleaner: c, slot: slot}
	for from < to {
		batches, err := store.segments[slot].Read(from, moveBytesMax)
		if err != nil {
			return store.noted(err)
		}
		for len(batches) > 0 && from < to {
			batch, rest, err := recordbatch.Parse(batches)
			if err != nil {
				return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, from, err)
			}
			for r, err := range batch.Records() {
				if err != nil {
					return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, from, err)
				}
				if r.Offset < from || r.Offset >= to {
					continue
				}
				if err := m.add(ctx, r); err != nil {
					return err
				}
			}
			from, batches = batch.Info().Next(), rest
		}
	}
	return m.flush(ctx)
}

// movement collects live records of one partition until they are worth an append.
type movement struct {
	cleaner *cleaner
	slot    int
	records []recordbatch.Record
	bytes   int
}

func (m *movement) add(ctx context.Context, r recordbatch.Record) error {
	if ok, err := m.isLive(&r); err != nil || !ok {
		return err
	}
	// A copy: as a view it would keep alive all that was read, or inflated, with it.
	raw := slices.Clone(r.Headers.Raw())
	headers, err := recordbatch.ParseHeaders(raw, r.Headers.Len())
	if err != nil {
		return fmt.Errorf("%w: offset %d: %w", ErrCorrupt, r.Offset, err)
	}
	r.Key, r.Value, r.Headers = slices.Clone(r.Key), slices.Clone(r.Value), headers
	m.records = append(m.records, r)
	m.bytes += len(r.Key) + len(r.Value) + len(r.Headers.Raw()) + recordOverhead
	if m.bytes < moveBytesMax {
		return nil
	}
	return m.flush(ctx)
}

func (m *movement) isLive(r *recordbatch.Record) (bool, error) {
	s := m.cleaner.shard
	if r.Value == nil {
		return false, nil
	}
	newest, err := s.store.newest(s.cfg.Layout.Partition(m.slot), string(r.Key))
	return newest == r.Offset+1, s.store.noted(err)
}

// flush appends what was collected. The sequencer refuses it when a key was written meanwhile: then what is still live is tried again.
func (m *movement) flush(ctx context.Context) error {
	for len(m.records) > 0 {
		r := m.cleaner.shard.wait(ctx, Append{Batch: m.batch()})
		switch r.Code {
		case wire.OK:
			m.records, m.bytes = m.records[:0], 0
			return nil
		case wire.Conflict:
			if err := m.filter(ctx); err != nil {
				return err
			}
		default:
			return errors.New(r.Code.String() + " " + r.Detail)
		}
	}
	m.bytes = 0
	return nil
}

// filter drops what is not live any more.
func (m *movement) filter(ctx context.Context) error {
	if _, err := m.cleaner.shard.store.reach(ctx, m.slot, 0); err != nil {
		return err
	}
	live := m.records[:0]
	for _, r := range m.records {
		ok, err := m.isLive(&r)
		if err != nil {
			return err
		}
		if ok {
			live = append(live, r)
		}
	}
	m.records = live
	return nil
}

func (m *movement) batch() *Batch {
	b := &Batch{Partition: m.cleaner.shard.cfg.Layout.Partition(m.slot), Moved: true}
	var builder recordbatch.Builder
	builder.Reset(0, m.records[0].Timestamp, 0)
	for _, r := range m.records {
		builder.Append(recordbatch.Entry{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeaderCount: r.Headers.Len(), Headers: r.Headers.Raw()})
		b.Keys, b.Expected = append(b.Keys, string(r.Key)), append(b.Expected, r.Offset+1)
	}
	b.Bytes = builder.AppendTo(nil)
	b.Info, _ = recordbatch.Peek(b.Bytes) // just built
	b.hash = hashRecords(b.Bytes)
	return b
}
