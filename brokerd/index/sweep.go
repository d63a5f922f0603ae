package index

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// Sweep deletes the heads of a partition whose version is at most upTo: keys of a table topic whose newest record was cut away. Like Apply it returns when
// that is on disk.
func (d *DB) Sweep(partition int32, upTo int64) error {
	done, err := d.use()
	if err != nil {
		return err
	}
	defer done()
	if err := d.room(); err != nil {
		return err
	}
	lower := binary.BigEndian.AppendUint32([]byte{rowStream}, uint32(partition))
	upper := binary.BigEndian.AppendUint32([]byte{rowStream}, uint32(partition)+1)
	i, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return d.broken(err)
	}
	t := table{db: d}
	t.err = errors.Join(t.sweep(i, upTo), i.Error(), i.Close())
	if err := t.join(); err != nil {
		return d.broken(err)
	}
	return d.unfit()
}

// sweep deletes the heads among the rows of an iterator whose version is at most upTo.
func (t *table) sweep(i *pebble.Iterator, upTo int64) error {
	for ok := i.First(); ok && t.err == nil; ok = i.Next() {
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
		if version <= upTo {
			t.delete(i.Key())
		}
	}
	return t.err
}
