package recordbatch

import (
	"encoding/binary"
	"fmt"
)

// Codec says how the records of a batch are compressed. The numbers are Kafka's, and stand in the lowest bits of the attributes.
type Codec uint8

// The codecs. Kafka's gzip is refused.
const (
	None   Codec = 0
	Snappy Codec = 2 // one raw block, as klauspost/compress/s2 writes it for readers of Snappy
	LZ4    Codec = 3 // one frame
	Zstd   Codec = 4
)

// InflatedBytesMax is the most that the records of one batch may take when they are not compressed. It is checked before memory is taken.
const InflatedBytesMax = 16 << 20

const gzip Codec = 1 // Kafka's, and slower than any other without being smaller than Zstd

func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case gzip:
		return "gzip"
	case Snappy:
		return "snappy"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

func (c Codec) known() bool { return c == None || c == Snappy || c == LZ4 || c == Zstd }

// inflatedMax is the most that n bytes can be inflated to.
func (c Codec) inflatedMax(n int) int {
	switch c {
	case None:
		return n
	case Snappy:
		n *= snappyRatioMax
	case LZ4:
		n *= lz4RatioMax
	default: // a few bytes of Zstd can repeat one as often as they like
		return InflatedBytesMax
	}
	return min(n, InflatedBytesMax)
}

// deflate appends src to dst, compressed.
func (c Codec) deflate(dst, src []byte) []byte {
	switch c {
	case Snappy:
		return deflateSnappy(dst, src)
	case LZ4:
		return deflateLZ4(dst, src)
	case Zstd:
		return deflateZstd(dst, src)
	}
	return append(dst, src...)
}

// inflate returns what src was compressed from, in memory of its own. The errors match [ErrTooLarge] and [ErrCorrupt];
// their Pos is that of src.
func (c Codec) inflate(src []byte) ([]byte, error) {
	switch c {
	case Snappy:
		return inflateSnappy(src)
	case LZ4:
		return inflateLZ4(src)
	case Zstd:
		return inflateZstd(src)
	}
	return src, nil
}

// codecOf reads the codec out of a batch that begins at raw[0].
func codecOf(raw []byte) Codec {
	return Codec(binary.BigEndian.Uint16(raw[posAttributes:]) & attributeCodec)
}
