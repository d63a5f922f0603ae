package recordbatch

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// varint32 reads a 32-bit zigzag varint that begins at b[at]. next is 0 when there is none, be it that the varint is padded beyond
// five bytes: Kafka's clients refuse that too.
func varint32(b []byte, at int) (v, next int) {
	var zigzag uint64
	for shift := 0; shift < 7*varint32BytesMax && at < len(b); shift += 7 {
		c := b[at]
		at++
		zigzag |= uint64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		if zigzag > math.MaxUint32 {
			return 0, 0
		}
		return int(zigzag>>1) ^ -int(zigzag&1), at
	}
	return 0, 0
}

const varint32BytesMax = 5

// varint64 reads a 64-bit zigzag varint that begins at b[at]. next is 0 when there is none.
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
