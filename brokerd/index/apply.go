package index

import (
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
)

// Apply writes a tail, rows of producers (a nil row deletes) and the watermark that they lead to, as one run: after a crash all of it is
// there or none. It freezes the tail; a nil tail and nil producers are empty. The segments must be durable up to the watermark.
//
// Apply returns when lookups see the run, before it is on disk. It waits while earlier runs pile up in RAM or in level 0.
func (d *DB) Apply(t *Tail, producers iter.Seq2[uint64, []byte], w Watermark) error {
	done, err := d.use()
	if err != nil {
		return err
	}
	defer done()
	if err := w.check(); err != nil {
		return fmt.Errorf("applying a run to the index: %w", err)
	}
	r := newRun(d.pebble, t)
	r.watermark(w)
	r.producers(producers)
	r.tail(t)
	if err := r.err; err != nil {
		return d.broken(err)
	}
	size := r.batch.Len()
	if err := d.room(); err != nil {
		return err
	}
	if err := r.batch.Commit(pebble.NoSync); err != nil {
		return d.broken(err)
	}
	if err := r.batch.Close(); err != nil {
		return d.broken(err)
	}
	if d.unflushed += size; d.unflushed < d.unflushedMax {
		return d.unfit()
	}
	d.unflushed = 0
	if d.flushed, err = d.pebble.AsyncFlush(); err != nil {
		return d.broken(err)
	}
	return d.unfit()
}

// room waits until the flush that was started last has ended and level 0 is not too deep.
func (d *DB) room() error {
	if d.flushed == nil {
		return nil
	}
	if err := d.await(d.flushed); err != nil {
		return err
	}
	d.flushed = nil
	for d.pebble.Metrics().Levels[0].Sublevels > sublevelsMax {
		if err := d.await(d.compacted); err != nil {
			return err
		}
	}
	return nil
}
