package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
)

// Find returns the offset of an event that a query asks for. A type costs one look at most. A tag that was never seen costs no read of the disk,
// save for one in a hundred. Error: ErrQuery, ErrBroad.
func (d *DB) Find(q Query, spent *Steps) (offset int64, found bool, err error) {
	if err := q.check(); err != nil {
		return 0, false, err
	}
	var broad error // not damage, as read takes an error to be
	err = d.readStream(func(i *pebble.Iterator) error {
		f := finder{rows: i, query: &q, spent: spent, cuts: make([][]byte, len(q.Tags))}
		for k, tag := range q.Tags {
			f.cuts[k] = appendTag(nil, q.Partition, tag)
		}
		offset, found, err = f.find()
		if errors.Is(err, ErrBroad) {
			broad, err = err, nil
		}
		return err
	})
	if broad != nil && err == nil {
		err = broad
	}
	return offset, found, err
}

// finder answers one query.
type finder struct {
	rows  *pebble.Iterator
	query *Query
	cuts  [][]byte // what the postings of each tag begin with
	key   []byte   // reused
	spent *Steps
}

func (f *finder) find() (offset int64, found bool, err error) {
	for _, kind := range f.query.Types {
		if err := f.spent.take(); err != nil {
			return 0, false, err
		}
		if len(f.cuts) == 0 {
			offset, found, err = f.newest(kind)
		} else {
			offset, found, err = f.meet(kind)
		}
		if found || err != nil {
			return offset, found, err
		}
	}
	if len(f.query.Types) > 0 {
		return 0, false, nil
	}
	// All types of the first tag, one after the other.
	for kind, more, err := f.typeFrom(nil); ; kind, more, err = f.typeFrom(kind) {
		if err != nil || !more {
			return 0, false, err
		}
		if err := f.spent.take(); err != nil {
			return 0, false, err
		}
		if offset, found, err := f.meet(kind); found || err != nil {
			return offset, found, err
		}
	}
}

// newest looks whether the newest event of a type lies far enough.
func (f *finder) newest(kind []byte) (int64, bool, error) {
	f.key = appendTypeKey(f.key[:0], f.query.Partition, kind)
	if !f.rows.SeekPrefixGE(f.key) || !bytes.Equal(f.rows.Key(), f.key) {
		return 0, false, f.rows.Error()
	}
	value, err := f.rows.ValueAndErr()
	if err != nil {
		return 0, false, err
	}
	offset, err := decodeHead(value)
	return offset, err == nil && offset >= f.query.After, err
}

// meet finds an event of a type that has all of the tags: each tag in turn is asked for its first event from where the one before it stands.
// So the rarest of them decides how long it takes.
func (f *finder) meet(kind []byte) (int64, bool, error) {
	at, agree := f.query.After, 0
	for k := 0; ; k = (k + 1) % len(f.cuts) {
		offset, ok, err := f.first(f.cuts[k], kind, at)
		if err != nil || !ok {
			return 0, false, err
		}
		if offset > at {
			at, agree = offset, 0
		}
		if agree++; agree == len(f.cuts) {
			return at, true, nil
		}
		if err := f.spent.take(); err != nil {
			return 0, false, err
		}
	}
}

// first finds the first event with a tag and a type from an offset on.
func (f *finder) first(cut, kind []byte, from int64) (int64, bool, error) {
	f.key = appendName(append(f.key[:0], cut...), kind)
	end := len(f.key)
	f.key = binary.BigEndian.AppendUint64(f.key, uint64(max(from, 0)))
	if !f.rows.SeekPrefixGE(f.key) {
		return 0, false, f.rows.Error()
	}
	key := f.rows.Key()
	if !bytes.HasPrefix(key, f.key[:end]) {
		return 0, false, nil
	}
	offset, err := offsetOf(key[end:])
	return offset, err == nil, err
}

// typeFrom finds the type that follows kind among those of the first tag; nil is before all of them.
func (f *finder) typeFrom(kind []byte) (next []byte, ok bool, err error) {
	cut := f.cuts[0]
	f.key = append(f.key[:0], cut...)
	if kind != nil {
		f.key = append(appendName(f.key, kind), 0xff) // above every offset
	}
	if !f.rows.SeekPrefixGE(f.key) {
		return nil, false, f.rows.Error()
	}
	name, rest, err := cutName(f.rows.Key()[len(cut):])
	if err == nil {
		_, err = offsetOf(rest)
	}
	return name, err == nil, err
}

func offsetOf(b []byte) (int64, error) {
	if len(b) != 8 || b[0] > math.MaxInt8 {
		return 0, fmt.Errorf("%w: posting that ends in %x", errRow, b)
	}
	return int64(binary.BigEndian.Uint64(b)), nil
}

// cutName undoes appendName at the beginning of b. The name is never nil.
func cutName(b []byte) (name, rest []byte, err error) {
	end := bytes.IndexByte(b, nameEnd)
	if end < 0 {
		return nil, nil, fmt.Errorf("%w: a name without an end in %x", errRow, b)
	}
	name = make([]byte, 0, end)
	for i := 0; i < end; i++ {
		c := b[i]
		if c == nameEscape {
			if i++; b[i] != nameEscape && b[i] != nameEscape+1 {
				return nil, nil, fmt.Errorf("%w: a name that is not escaped as one in %x", errRow, b)
			}
			c = b[i] - 1
		}
		name = append(name, c)
	}
	return name, b[end+1:], nil
}
