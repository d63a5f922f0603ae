package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Watermark returns how far the index goes. An index to which nothing was applied has none.
func (d *DB) Watermark() (Watermark, bool, error) {
	done, err := d.use()
	if err != nil {
		return Watermark{}, false, err
	}
	defer done()
	value, closer, err := d.pebble.Get(watermarkKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return Watermark{}, false, d.unfit()
	}
	if err != nil {
		return Watermark{}, false, d.broken(err)
	}
	w, err := decodeWatermark(value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return Watermark{}, false, d.broken(err)
	}
	return w, true, d.unfit()
}

// Producers calls fn for each producer's row until fn returns false. A row is valid until fn returns.
func (d *DB) Producers(fn func(id uint64, row []byte) bool) error {
	return d.read(&pebble.IterOptions{LowerBound: []byte{rowProducer}, UpperBound: []byte{rowProducer + 1}}, func(i *pebble.Iterator) error {
		for ok := i.First(); ok; ok = i.Next() {
			if len(i.Key()) != 1+8 {
				return fmt.Errorf("%w: producer %x", errRow, i.Key())
			}
			row, err := i.ValueAndErr()
			if err != nil {
				return err
			}
			if !fn(binary.BigEndian.Uint64(i.Key()[1:]), row) {
				return nil
			}
		}
		return nil
	})
}

// Head returns the newest version of a stream, 0 when the index does not hold it. A stream that was never seen costs no read of the disk,
// save for one in a hundred.
func (d *DB) Head(partition int32, stream string) (version int64, err error) {
	key := append(appendStream(nil, partition, stream), suffixHead)
	err = d.readStream(func(i *pebble.Iterator) error {
		if !i.SeekPrefixGE(key) {
			return nil
		}
		if !bytes.Equal(i.Key(), key) {
			return fmt.Errorf("%w: stream %q has no head", errRow, stream)
		}
		value, err := i.ValueAndErr()
		if err != nil {
			return err
		}
		version, err = decodeHead(value)
		return err
	})
	return version, err
}

// Stream calls fn for each event of a stream from a version on, ascending, until fn returns false.
func (d *DB) Stream(partition int32, stream string, from int64, fn func(version int64, p Pointer) bool) error {
	key := appendStream(nil, partition, stream)
	cut := len(key)
	key = appendEventSuffix(key, max(from, 1))
	return d.readStream(func(i *pebble.Iterator) error {
		for ok := i.SeekPrefixGE(key); ok; ok = i.Next() {
			suffix := i.Key()[cut:]
			if len(suffix) > 0 && suffix[0] > suffixEvent {
				return nil
			}
			if len(suffix) != len(key)-cut || suffix[0] != suffixEvent {
				return fmt.Errorf("%w: event %x", errRow, i.Key())
			}
			value, err := i.ValueAndErr()
			if err != nil {
				return err
			}
			p, err := decodePointer(value)
			if err != nil {
				return err
			}
			if !fn(int64(binary.BigEndian.Uint64(suffix[1:])), p) {
				return nil
			}
		}
		return nil
	})
}

// Command returns the versions that a stream holds under a command id: count of them from first on. Only the newest use of the id counts.
func (d *DB) Command(partition int32, stream, id string) (first int64, count int, ok bool, err error) {
	key := appendCommandSuffix(appendStream(nil, partition, stream), id)
	err = d.readStream(func(i *pebble.Iterator) error {
		if !i.SeekPrefixGE(key) || !bytes.Equal(i.Key(), key) {
			return nil
		}
		value, err := i.ValueAndErr()
		if err != nil {
			return err
		}
		first, count, err = decodeCommand(value)
		ok = err == nil
		return err
	})
	return first, count, ok, err
}

// readStream reads rows of one stream. By default Pebble does not ask the filters of the lowest level; here they are what answers for
// streams that were never seen.
func (d *DB) readStream(fn func(i *pebble.Iterator) error) error {
	return d.read(&pebble.IterOptions{UseL6Filters: true}, fn)
}

// read lends an iterator to fn. An error of either is damage, unless the machine is to blame.
func (d *DB) read(o *pebble.IterOptions, fn func(i *pebble.Iterator) error) error {
	done, err := d.use()
	if err != nil {
		return err
	}
	defer done()
	i, err := d.pebble.NewIter(o)
	if err != nil {
		return d.broken(err)
	}
	if err := errors.Join(fn(i), i.Error(), i.Close()); err != nil {
		return d.broken(err)
	}
	return d.unfit()
}
