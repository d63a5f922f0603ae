package groups

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/google/uuid"
)

// format is the first byte of every value. A record of another one was written by a newer brokerd, and is refused as a whole.
const format = 1

// decoder reads one value. Its first error sticks: from then on every method answers zero values. It is that of internal/wire, for records:
// every number has exactly one encoding, and every length is checked before memory is taken for it.
type decoder struct {
	record string
	total  int
	rest   []byte
	err    *DecodeError
}

func decode(record string, b []byte) decoder {
	d := decoder{record: record, total: len(b), rest: b}
	if v := d.byte("format"); d.err == nil && v != format {
		d.fail("format", fmt.Sprintf("%d is unknown: it was written by a newer brokerd", v))
	}
	return d
}

// end reports the first error, or that bytes follow the record.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fail("end", fmt.Sprintf("%d bytes follow the record", len(d.rest)))
	}
	if d.err != nil {
		return d.err
	}
	return nil
}

func (d *decoder) fail(field, reason string) {
	if d.err == nil {
		d.err = &DecodeError{Record: d.record, Field: field, Pos: d.total - len(d.rest), Reason: reason}
	}
	d.rest = nil
}

func (d *decoder) byte(field string) byte {
	b := d.fixed(field, 1)
	if b == nil {
		return 0
	}
	return b[0]
}

func (d *decoder) bool(field string) bool {
	v := d.byte(field)
	if v > 1 {
		d.fail(field, fmt.Sprintf("%d is neither 0 nor 1", v))
	}
	return v == 1
}

func (d *decoder) fixed(field string, n int) []byte {
	if len(d.rest) < n {
		d.fail(field, "the record ends")
		return nil
	}
	v := d.rest[:n:n]
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) uuid(field string) (id uuid.UUID) {
	copy(id[:], d.fixed(field, len(id)))
	return id
}

// uvarint reads an unsigned varint of at most max.
func (d *decoder) uvarint(field string, max uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	switch {
	case n == 0:
		d.fail(field, "the record ends")
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

func (d *decoder) int64(field string) int64 { return int64(d.uvarint(field, math.MaxInt64)) }

// count reads how many elements follow; each takes at least size bytes.
func (d *decoder) count(field string, max, size int) int {
	n := int(d.uvarint(field, uint64(max)))
	if n > len(d.rest)/size {
		d.fail(field, fmt.Sprintf("%d elements do not fit in %d bytes", n, len(d.rest)))
		return 0
	}
	return n
}

// text reads a copy of at most max bytes.
func (d *decoder) text(field string, max int) string {
	return string(d.fixed(field, int(d.uvarint(field, uint64(max)))))
}

func appendText(dst []byte, v string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(v)))
	return append(dst, v...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}
