package recordbatch

import (
	"slices"

	"github.com/klauspost/compress/s2"
)

// snappyRatioMax is more than a Snappy block can shrink: its densest element says 64 bytes in 3.
const snappyRatioMax = 22

func deflateSnappy(dst, src []byte) []byte {
	n := s2.MaxEncodedLen(len(src))
	dst = slices.Grow(dst, n)
	return dst[:len(dst)+len(s2.EncodeSnappy(dst[len(dst):len(dst)+n], src))]
}

func inflateSnappy(src []byte) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	switch {
	case err != nil:
		return nil, corrupt(0, "snappy: %v", err)
	case n > InflatedBytesMax:
		return nil, tooLarge(0, "snappy: %d bytes when not compressed, at most %d are taken", n, InflatedBytesMax)
	case n > snappyRatioMax*len(src):
		return nil, corrupt(0, "snappy: %d bytes cannot hold %d", len(src), n)
	}
	out, err := s2.Decode(nil, src)
	if err != nil {
		return nil, corrupt(0, "snappy: %v", err)
	}
	return out, nil
}
