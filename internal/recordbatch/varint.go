package recordbatch

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// The format has two widths of zigzag varint. A 32-bit one that is padded beyond five bytes is refused, as Kafka's clients refuse it.
const varint32BytesMax = 5

// varint32 reads a 32-bit varint that begins at b[at]. next is 0 when there is none.
func varint32(b []byte, at int) (v, next int) {
	if at < len(b) && b[at] < 0x80 {
		return int(b[at]>>1) ^ -int(b[at]&1), at + 1
	}
	return varint32Slow(b, at)
}

func varint32Slow(b []byte, at int) (v, next int) {
	long, n := binary.Varint(b[at:])
	if n <= 0 || n > varint32BytesMax || long < math.MinInt32 || long > math.MaxInt32 {
		return 0, 0
	}
	return int(long), at + n
}

// varint64 reads a 64-bit varint that begins at b[at]. next is 0 when there is none.
func varint64(b []byte, at int) (v int64, next int) {
	v, n := binary.Varint(b[at:])
	if n <= 0 {
		return 0, 0
	}
	return v, at + n
}

// varintLen is the number of bytes that v takes as a varint of either width.
func varintLen(v int64) int {
	zigzag := uint64(v<<1) ^ uint64(v>>63)
	return (bits.Len64(zigzag|1) + 6) / 7
}

// bytesField reads a field that is a varint length and as many bytes; -1 is null.
// next is 0 when the field is malformed or reaches beyond b.
func bytesField(b []byte, at int) (field []byte, next int) {
	n, at := varint32(b, at)
	if at == 0 || n < -1 || n > len(b)-at {
		return nil, 0
	}
	if n == -1 {
		return nil, at
	}
	return b[at : at+n : at+n], at + n
}

func appendBytesField(dst, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(field)))
	return append(dst, field...)
}

func bytesFieldLen(field []byte) int {
	if field == nil {
		return 1
	}
	return varintLen(int64(len(field))) + len(field)
}
