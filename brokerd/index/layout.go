package index

import (
	"bytes"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
)

// layoutName names the layout of keys and values below. Pebble stores it and refuses a database of another name,
// so every change of the layout must change it.
const layoutName = "strand.index.2"

// The rows, big-endian; name is an escaped string with a terminator (see appendName):
//
//	01                                            the watermark
//	02 producer 8                                 one producer's row, opaque
//	03 partition 4 stream name ▏00                head: newest version
//	03 partition 4 stream name ▏01 version 8      event: pointer
//	03 partition 4 stream name ▏02 command id     command: first version, count
//
//	04 partition 4 tag name ▏type name offset 8   posting: an event with this tag and this type, no value
//	05 partition 4 type name                      type: offset of its newest event
//
// ▏ is where Split cuts: what is left of it goes into the bloom filters, once for each stream and each tag of a table. So one look at
// the filters tells that a stream or a tag was never seen, whichever of its rows is asked for.
const (
	rowWatermark = 0x01
	rowProducer  = 0x02
	rowStream    = 0x03
	rowTag       = 0x04
	rowType      = 0x05

	suffixHead    = 0x00
	suffixEvent   = 0x01
	suffixCommand = 0x02
)

// nameStart is where the name of a stream, a tag or a type begins.
const nameStart = 1 + 4

// layout orders keys by their bytes. That agrees with ordering by what lies before and then by what lies after the cut,
// because no terminated name is a prefix of another.
func layout() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = layoutName
	c.Split = splitKey
	c.ImmediateSuccessor = nil // range keys are not used
	return &c
}

func splitKey(key []byte) int {
	if len(key) > nameStart && (key[0] == rowStream || key[0] == rowTag) {
		if i := bytes.IndexByte(key[nameStart:], nameEnd); i >= 0 {
			return nameStart + i + 1
		}
	}
	return len(key)
}

const (
	nameEnd    = 0x00
	nameEscape = 0x01
)

// appendName appends s so that bytes compare as the strings do and no name is a prefix of another: 00 ends it, and the bytes 00 and 01 in it
// become 01 01 and 01 02. Names that the log admits hold no control characters, so the escape costs nothing.
func appendName[S string | []byte](dst []byte, s S) []byte {
	start := len(dst)
	dst = append(dst, s...)
	if bytes.IndexByte(dst[start:], nameEnd) < 0 && bytes.IndexByte(dst[start:], nameEscape) < 0 {
		return append(dst, nameEnd)
	}
	dst = dst[:start]
	for i := range len(s) {
		if s[i] <= nameEscape {
			dst = append(dst, nameEscape, s[i]+1)
			continue
		}
		dst = append(dst, s[i])
	}
	return append(dst, nameEnd)
}

// appendStream appends what all rows of a stream share: everything up to the cut.
func appendStream(dst []byte, partition int32, stream string) []byte {
	dst = append(dst, rowStream)
	dst = binary.BigEndian.AppendUint32(dst, uint32(partition))
	return appendName(dst, stream)
}

// appendTag appends what all postings of a tag share: everything up to the cut.
func appendTag(dst []byte, partition int32, tag []byte) []byte {
	dst = append(dst, rowTag)
	dst = binary.BigEndian.AppendUint32(dst, uint32(partition))
	return appendName(dst, tag)
}

func appendTypeKey(dst []byte, partition int32, kind []byte) []byte {
	dst = append(dst, rowType)
	dst = binary.BigEndian.AppendUint32(dst, uint32(partition))
	return appendName(dst, kind)
}

func watermarkKey() []byte { return []byte{rowWatermark} }

func appendProducerKey(dst []byte, id uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, rowProducer), id)
}

func appendEventSuffix(dst []byte, version int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, suffixEvent), uint64(version))
}

func appendCommandSuffix(dst []byte, id string) []byte {
	return append(append(dst, suffixCommand), id...)
}
