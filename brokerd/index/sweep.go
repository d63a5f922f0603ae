package index

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// sweepRows bounds the rows that one batch of a sweep deletes.
const sweepRows = 10_000

// Sweep deletes the heads of a partition whose version is at most upTo: keys of a table topic whose newest record was cut away. Like Apply it has
// one caller at a time. What it deletes matters to nobody, so a crash in between does no harm.
func (d *DB) Sweep(partition int32, upTo int64) error {
	done, err := d.use()
	if err != nil {
		return err
	}
	defer done()
	lower := binary.BigEndian.AppendUint32([]byte{rowStream}, uint32(partition))
	upper := binary.BigEndian.AppendUint32([]byte{rowStream}, uint32(partition)+1)
	i, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return d.broken(err)
	}
	batch := d.pebble.NewBatch()
	failed := d.sweep(i, &batch, upTo)
	if failed == nil {
		failed = batch.Commit(pebble.NoSync)
	}
	if err := errors.Join(failed, i.Error(), i.Close(), batch.Close()); err != nil {
		return d.broken(err)
	}
	return d.unfit()
}

func (d *DB) sweep(i *pebble.Iterator, batch **pebble.Batch, upTo int64) error {
	for ok := i.First(); ok; ok = i.Next() {
		if key := i.Key(); key[len(key)-1] != suffixHead || splitKey(key) != len(key)-1 {
			continue
		}
		value, err := i.ValueAndErr()
		if err != nil {
			return err
		}
		version, err := decodeHead(value)
		if err != nil {
			return err
		}
		if version > upTo {
			continue
		}
		if err := (*batch).Delete(i.Key(), nil); err != nil {
			return err
		}
		if (*batch).Count() < sweepRows {
			continue
		}
		if err := (*batch).Commit(pebble.NoSync); err != nil {
			return err
		}
		if err := (*batch).Close(); err != nil {
			return err
		}
		*batch = d.pebble.NewBatch()
	}
	return nil
}
