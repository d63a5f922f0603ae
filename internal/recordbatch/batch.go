package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
	"iter"
	"math"
)

// Places of the header's fields. All integers are big-endian.
const (
	posBaseOffset      = 0
	posLength          = 8 // bytes that follow the length itself
	posLeaderEpoch     = 12
	posMagic           = 16
	posChecksum        = 17 // CRC-32C of everything from the attributes on
	posAttributes      = 21
	posLastOffsetDelta = 23
	posBaseTimestamp   = 27
	posMaxTimestamp    = 35
	posProducerID      = 43
	posProducerEpoch   = 51
	posBaseSequence    = 53
	posCount           = 57

	// HeaderBytes is the size of a batch's header, and so the place of its first record.
	HeaderBytes = 61
)

const (
	magic               = 2
	attributeCodec      = 7      // the bits of a Codec
	attributeAppendTime = 1 << 3 // every record has the batch's MaxTimestamp
	lengthPrefixEnd     = posLength + 4
)

// castagnoli is only ever read.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Info is what a batch's header says.
type Info struct {
	BaseOffset      int64
	Length          int // bytes of the whole batch
	LastOffsetDelta int
	Count           int   // records, at least 1
	BaseTimestamp   int64 // ms since 1970, like MaxTimestamp
	MaxTimestamp    int64
	LeaderEpoch     int32
	ProducerID      int64 // -1, like the two that follow, of a batch that names no producer
	ProducerEpoch   int16
	BaseSequence    int32
	Codec           Codec
	LogAppendTime   bool // every record's time is MaxTimestamp
}

// Next is the offset that follows the batch's last record.
func (i Info) Next() int64 { return i.BaseOffset + int64(i.LastOffsetDelta) + 1 }

// RecordsBytesMax is the most that the records take when they are not compressed, which [Batch.Records] takes memory for if they are.
func (i Info) RecordsBytesMax() int { return i.Codec.inflatedMax(i.Length - HeaderBytes) }

// Peek reads the header at the beginning of b and checks it for contradictions, but not against the checksum:
// b need not hold more than [HeaderBytes] of the batch. The errors are those of [Parse].
func Peek(b []byte) (Info, error) {
	if len(b) > posMagic && b[posMagic] != magic {
		return Info{}, unsupported(posMagic, "magic %d, only %d is known", int8(b[posMagic]), magic)
	}
	if len(b) < HeaderBytes {
		return Info{}, short(len(b), "a batch's header has %d bytes", HeaderBytes)
	}
	be := binary.BigEndian
	info := Info{
		BaseOffset:      int64(be.Uint64(b[posBaseOffset:])),
		Length:          lengthPrefixEnd + int(int32(be.Uint32(b[posLength:]))),
		LastOffsetDelta: int(int32(be.Uint32(b[posLastOffsetDelta:]))),
		Count:           int(int32(be.Uint32(b[posCount:]))),
		BaseTimestamp:   int64(be.Uint64(b[posBaseTimestamp:])),
		MaxTimestamp:    int64(be.Uint64(b[posMaxTimestamp:])),
		LeaderEpoch:     int32(be.Uint32(b[posLeaderEpoch:])),
		ProducerID:      int64(be.Uint64(b[posProducerID:])),
		ProducerEpoch:   int16(be.Uint16(b[posProducerEpoch:])),
		BaseSequence:    int32(be.Uint32(b[posBaseSequence:])),
		Codec:           codecOf(b),
	}
	attributes := be.Uint16(b[posAttributes:])
	info.LogAppendTime = attributes&attributeAppendTime != 0
	if attributes&^(attributeAppendTime|attributeCodec) != 0 {
		return Info{}, unsupported(posAttributes, "attributes %#04x: neither transactional nor control batches are known", attributes)
	}
	if !info.Codec.known() {
		return Info{}, unsupported(posAttributes, "%v: batches may be compressed with zstd, lz4 or snappy", info.Codec)
	}
	recordBytes := info.Length - HeaderBytes
	if info.Codec != None && recordBytes > 0 {
		recordBytes = InflatedBytesMax
	}
	if info.Count < 1 || info.Count > recordBytes/recordBytesMin {
		return Info{}, corrupt(posCount, "%d records cannot lie in a batch of %d bytes", info.Count, info.Length)
	}
	if info.LastOffsetDelta != info.Count-1 {
		return Info{}, corrupt(posLastOffsetDelta, "last offset delta %d of %d records: offsets must be dense", info.LastOffsetDelta, info.Count)
	}
	if info.BaseOffset < 0 || info.BaseOffset > math.MaxInt64-int64(info.Count) {
		return Info{}, corrupt(posBaseOffset, "base offset %d", info.BaseOffset)
	}
	return info, nil
}

// Batch is a view of one whole batch whose header and checksum are right. The zero Batch holds no records.
type Batch struct {
	raw  []byte
	info Info
}

// Parse checks the batch at the beginning of b and returns it and the bytes behind it. Its errors match
// [ErrShort] when b ends before the batch does, [ErrUnsupported] for another magic, another codec or attributes such as transactional, and
// [ErrCorrupt] when a length, a count or the checksum is wrong. Compressed records are left as they are: [Batch.Records] inflates them.
func Parse(b []byte) (batch Batch, rest []byte, err error) {
	info, err := Peek(b)
	if err != nil {
		return Batch{}, nil, err
	}
	if len(b) < info.Length {
		return Batch{}, nil, short(len(b), "the batch has %d bytes", info.Length)
	}
	raw := b[:info.Length:info.Length]
	stored := binary.BigEndian.Uint32(raw[posChecksum:])
	if computed := crc32.Checksum(raw[posAttributes:], castagnoli); computed != stored {
		return Batch{}, nil, corrupt(posChecksum, "checksum %08x, computed %08x", stored, computed)
	}
	return Batch{raw: raw, info: info}, b[info.Length:], nil
}

// Info is what the batch's header says.
func (b Batch) Info() Info { return b.info }

// Bytes is the whole batch.
func (b Batch) Bytes() []byte { return b.raw }

// Records yields the records in the order of their offsets. A malformed record, a wrong offset or bytes behind the last record end the
// sequence with an error that matches [ErrCorrupt]; its Pos counts from the beginning of the batch, as it would be if it were not compressed.
//
// Every range over the records of a compressed batch inflates them once, into memory that their keys, values and headers are views into.
// When they take more than [InflatedBytesMax], the sequence is one error that matches [ErrTooLarge].
func (b Batch) Records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if b.info.Count == 0 {
			return
		}
		records, err := b.info.Codec.inflate(b.raw[HeaderBytes:])
		if err != nil {
			yield(Record{}, shift(err, HeaderBytes))
			return
		}
		at := 0
		for i := range b.info.Count {
			f, n, err := decodeFields(records[at:])
			if err != nil {
				yield(Record{}, damaged(err, HeaderBytes+at))
				return
			}
			if f.offsetDelta != i {
				yield(Record{}, corrupt(HeaderBytes+at, "record %d has offset delta %d", i, f.offsetDelta))
				return
			}
			r := Record{
				Offset:    b.info.BaseOffset + int64(i),
				Timestamp: b.info.BaseTimestamp + f.timestampDelta,
				Key:       f.key,
				Value:     f.value,
				Headers:   f.headers,
				Pos:       HeaderBytes + at,
				Len:       n,
			}
			if b.info.LogAppendTime {
				r.Timestamp = b.info.MaxTimestamp
			}
			if b.info.Codec != None {
				r.Pos, r.Len = -1, 0
			}
			if !yield(r, nil) {
				return
			}
			at += n
		}
		if at != len(records) {
			yield(Record{}, corrupt(HeaderBytes+at, "%d bytes follow the last record", len(records)-at))
		}
	}
}
