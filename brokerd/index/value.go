package index

import (
	"encoding/binary"
	"errors"
	"math"
)

var errRow = errors.New("row does not decode")

// Values are varints back to back, in their shortest form, and nothing after them.

func appendPointer(dst []byte, p Pointer) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.Offset))
	dst = binary.AppendVarint(dst, p.Timestamp)
	dst = binary.AppendUvarint(dst, uint64(p.Offset-p.Place.File)) // smaller than the file's base offset
	dst = binary.AppendUvarint(dst, uint64(p.Place.Pos))
	dst = binary.AppendUvarint(dst, uint64(p.Len))
	return binary.BigEndian.AppendUint32(dst, p.Sum)
}

func decodePointer(b []byte) (Pointer, error) {
	d := decoder{rest: b}
	var p Pointer
	p.Offset = d.natural(math.MaxInt64)
	p.Timestamp = d.varint()
	p.Place.File = p.Offset - d.natural(p.Offset)
	p.Place.Pos = d.natural(math.MaxInt64)
	p.Len = uint32(d.natural(math.MaxUint32))
	if d.bad || len(d.rest) != 4 {
		return Pointer{}, errRow
	}
	p.Sum = binary.BigEndian.Uint32(d.rest)
	return p, nil
}

func appendHead(dst []byte, version int64) []byte { return binary.AppendUvarint(dst, uint64(version)) }

func decodeHead(b []byte) (int64, error) {
	d := decoder{rest: b}
	version := d.natural(math.MaxInt64)
	return version, d.end()
}

func appendCommand(dst []byte, first int64, count int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(first)), uint64(count))
}

func decodeCommand(b []byte) (first int64, count int, err error) {
	d := decoder{rest: b}
	first = d.natural(math.MaxInt64)
	count = int(d.natural(math.MaxInt32))
	return first, count, d.end()
}

// decoder reads varints. The first that is cut off, not in its shortest form or out of range makes it bad, and all later ones zero.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) natural(most int64) int64 {
	v, n := binary.Uvarint(d.rest)
	if !d.take(n) || v > uint64(most) {
		d.bad = true
		return 0
	}
	return int64(v)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if !d.take(n) {
		return 0
	}
	return v
}

func (d *decoder) take(n int) bool {
	if d.bad || n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.bad = true
		return false
	}
	d.rest = d.rest[n:]
	return true
}

func (d *decoder) end() error {
	if d.bad || len(d.rest) != 0 {
		return errRow
	}
	return nil
}
