package wire

import (
	"math"
	"strings"
	"unicode/utf8"
)

// maxEpoch admits every epoch: all 64 bits are meaningful.
const maxEpoch = math.MaxUint64

// appendDetail encodes an explanation, cut to its limit and to valid UTF-8: an explanation that is too long is no reason to lose the answer.
func appendDetail(dst []byte, detail string) []byte {
	if len(detail) > DetailBytesMax {
		detail = detail[:DetailBytesMax]
	}
	return appendBytes(dst, strings.ToValidUTF8(detail, ""))
}

func (d *decoder) detail() string {
	b := d.bytes("detail", DetailBytesMax)
	if !utf8.Valid(b) {
		d.fail("detail", "it is not UTF-8")
	}
	return string(b)
}
