package wire

import (
	"encoding/binary"
	"fmt"
	"math"
)

// version is the first byte of every binary message. A message of another version is refused as a whole.
const version = 1

// decoder reads one binary message. Its first error sticks: from then on every method answers zero values, so that a message is
// read straight through and the error looked at once. Byte slices are views into the payload.
//
// Every integer has exactly one encoding and every length is checked against its limit and against what is left of the payload:
// no count or length can make a reader allocate more than a small multiple of the payload.
type decoder struct {
	message string
	total   int
	rest    []byte
	err     *DecodeError
}

// decode begins a message of at most max bytes.
func decode(message string, b []byte, max int) decoder {
	d := decoder{message: message, total: len(b), rest: b}
	if len(b) > max {
		d.fail("payload", fmt.Sprintf("%d bytes exceed %d", len(b), max))
		return d
	}
	if v := d.byte("version"); d.err == nil && v != version {
		d.fail("version", fmt.Sprintf("%d is not supported, only %d", v, version))
	}
	return d
}

// end reports the first error, or that bytes follow the message.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("end", fmt.Sprintf("%d bytes follow the message", len(d.rest)))
	}
	if d.err != nil {
		return d.err
	}
	return nil
}

func (d *decoder) fail(field, reason string) {
	if d.err == nil {
		d.err = &DecodeError{Message: d.message, Field: field, Pos: d.total - len(d.rest), Reason: reason}
	}
	d.rest = nil
}

func (d *decoder) byte(field string) byte {
	if len(d.rest) < 1 {
		d.fail(field, "the payload ends")
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *decoder) bool(field string) bool {
	v := d.byte(field)
	if v > 1 {
		d.fail(field, fmt.Sprintf("%d is neither 0 nor 1", v))
	}
	return v == 1
}

// fixed reads n bytes.
func (d *decoder) fixed(field string, n int) []byte {
	if len(d.rest) < n {
		d.fail(field, "the payload ends")
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uint64(field string) uint64 {
	b := d.fixed(field, 8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// uvarint reads an unsigned varint of at most max.
func (d *decoder) uvarint(field string, max uint64) uint64 {
	if len(d.rest) > 0 && d.rest[0] < 0x80 && uint64(d.rest[0]) <= max { // most of them
		v := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(d.rest)
	switch {
	case n == 0:
		d.fail(field, "the payload ends")
		return 0
	case n < 0:
		d.fail(field, "the number exceeds 64 bits")
		return 0
	case n > 1 && d.rest[n-1] == 0:
		d.fail(field, "the number is longer than needed")
		return 0
	case v > max:
		d.fail(field, fmt.Sprintf("%d exceeds %d", v, max))
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// int32 and int64 read numbers that are never negative.
func (d *decoder) int32(field string) int32 { return int32(d.uvarint(field, math.MaxInt32)) }
func (d *decoder) int64(field string) int64 { return int64(d.uvarint(field, math.MaxInt64)) }

// signed reads a zigzag varint.
func (d *decoder) signed(field string) int64 {
	u := d.uvarint(field, math.MaxUint64)
	return int64(u>>1) ^ -int64(u&1)
}

// count reads how many elements follow; each takes at least size bytes.
func (d *decoder) count(field string, max, size int) int {
	n := int(d.uvarint(field, uint64(max)))
	if n > len(d.rest)/size {
		d.fail(field, fmt.Sprintf("%d elements do not fit in %d bytes", n, len(d.rest)))
		return 0
	}
	return n
}

// bytes reads a length and as many bytes, at most max. No bytes are nil.
func (d *decoder) bytes(field string, max int) []byte {
	n := int(d.uvarint(field, uint64(max)))
	if n == 0 {
		return nil
	}
	return d.fixed(field, n)
}

// nullable reads bytes that tell nil from empty.
func (d *decoder) nullable(field string, max int) []byte {
	n := int(d.uvarint(field, uint64(max)+1))
	if n == 0 {
		return nil
	}
	return d.fixed(field, n-1)
}

// resize makes s n elements long. Elements within its capacity keep what they own, for use by the next message.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	grown := make([]T, n)
	copy(grown, s[:cap(s)])
	return grown
}
