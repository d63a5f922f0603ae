package index

import (
	"fmt"
	"iter"
)

// Apply writes a tail, rows of producers (a nil row deletes; of several of one producer the last counts) and the watermark that they lead to,
// as one run: after a crash all of it is there or none. It freezes the tail; a nil tail and nil producers are empty. The segments must be durable
// up to the watermark.
//
// Apply returns when the run is on disk and lookups see it. It waits while earlier runs pile up in level 0.
func (d *DB) Apply(t *Tail, producers iter.Seq2[uint64, []byte], w Watermark) error {
	done, err := d.use()
	if err != nil {
		return err
	}
	defer done()
	if err := w.check(); err != nil {
		return fmt.Errorf("applying a run to the index: %w", err)
	}
	if err := d.room(); err != nil {
		return err
	}
	r := run{table: table{db: d}}
	r.watermark(w)
	r.producers(producers)
	r.tail(t)
	if err := r.join(); err != nil {
		return d.broken(err)
	}
	return d.unfit()
}

// room waits until level 0 is not too deep.
func (d *DB) room() error {
	for d.pebble.Metrics().Levels[0].Sublevels > sublevelsMax {
		select {
		case <-d.compacted:
		case <-d.failed: // then no compaction may ever end
			return d.unfit()
		}
	}
	return nil
}
