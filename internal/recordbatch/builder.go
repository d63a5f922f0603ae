package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
)

// Entry is a record to append to a batch. A nil key or value is null.
type Entry struct {
	Timestamp   int64 // ms since 1970
	Key         []byte
	Value       []byte
	HeaderCount int
	Headers     []byte // HeaderCount encoded headers that have been validated
}

// Builder makes batches. It keeps its memory, so that appending allocates nothing once it has grown to the size of its batches.
// The zero Builder begins at offset 0, time 0 and epoch 0. A batch must stay below 2 GiB, which the caller sees to.
type Builder struct {
	buf           []byte // the batch, not compressed; its header is written by AppendTo
	count         int
	baseOffset    int64
	baseTimestamp int64
	maxTimestamp  int64
	leaderEpoch   int32
	codec         Codec
	producer      producer
	named         bool // producer is set
}

// producer is who made a batch, and its number.
type producer struct {
	id       int64
	epoch    int16
	sequence int32
}

// nobody stands in a batch that names no producer.
var nobody = producer{id: -1, epoch: -1, sequence: -1}

// Reset drops what was appended and begins a batch that names no producer and is not compressed.
// Timestamps are stored relative to baseTimestamp: the nearer, the fewer bytes.
func (b *Builder) Reset(baseOffset, baseTimestamp int64, leaderEpoch int32) {
	*b = Builder{buf: b.buf[:0], baseOffset: baseOffset, baseTimestamp: baseTimestamp, leaderEpoch: leaderEpoch}
}

// SetProducer names who makes the batch, until the next Reset.
func (b *Builder) SetProducer(id int64, epoch int16, baseSequence int32) {
	b.producer, b.named = producer{id: id, epoch: epoch, sequence: baseSequence}, true
}

// SetCodec has the records compressed, until the next Reset. A batch that would not become smaller is not compressed, and neither is one
// whose records take more than [InflatedBytesMax].
func (b *Builder) SetCodec(c Codec) { b.codec = c }

// Append adds a record at the next offset and returns its place in the finished batch: what [Record] calls Pos and Len.
// Nothing of r is kept.
func (b *Builder) Append(r Entry) (pos, length int) {
	if b.count == 0 {
		b.buf = append(b.buf[:0], make([]byte, HeaderBytes)...)
		b.maxTimestamp = r.Timestamp
	}
	b.maxTimestamp = max(b.maxTimestamp, r.Timestamp)
	pos = len(b.buf)
	b.buf = appendRecord(b.buf, r.Timestamp-b.baseTimestamp, int64(b.count), &r)
	b.count++
	return pos, len(b.buf) - pos
}

// AppendRecord appends one record outside of any batch, as DecodeRecord reads it: its deltas are 0, its timestamp is left out.
func AppendRecord(dst []byte, r Record) []byte {
	return appendRecord(dst, 0, 0, &Entry{Key: r.Key, Value: r.Value, HeaderCount: r.Headers.Len(), Headers: r.Headers.Raw()})
}

func appendRecord(dst []byte, timestampDelta, offsetDelta int64, r *Entry) []byte {
	body := 1 + varintLen(timestampDelta) + varintLen(offsetDelta) +
		bytesFieldLen(r.Key) + bytesFieldLen(r.Value) + varintLen(int64(r.HeaderCount)) + len(r.Headers)
	dst = binary.AppendVarint(dst, int64(body))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, timestampDelta)
	dst = binary.AppendVarint(dst, offsetDelta)
	dst = appendBytesField(dst, r.Key)
	dst = appendBytesField(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(r.HeaderCount))
	return append(dst, r.Headers...)
}

// Len is the size of the finished batch in bytes, before it is compressed: 0 while it is empty.
func (b *Builder) Len() int {
	if b.count == 0 {
		return 0
	}
	return len(b.buf)
}

// Count is the number of records appended since the last Reset.
func (b *Builder) Count() int { return b.count }

// AppendTo appends the finished batch to dst; an empty batch is no bytes. The builder can go on with the same batch.
func (b *Builder) AppendTo(dst []byte) []byte {
	if b.count == 0 {
		return dst
	}
	at := len(dst)
	codec := b.codec
	if records := b.buf[HeaderBytes:]; codec != None && codec.known() && len(records) <= InflatedBytesMax {
		dst = codec.deflate(append(dst, b.buf[:HeaderBytes]...), records)
	}
	if len(dst) == at || len(dst)-at >= len(b.buf) {
		codec = None
		dst = append(dst[:at], b.buf...)
	}
	b.finish(dst[at:], codec)
	return dst
}

// Bytes is the finished batch, not compressed, without a copy: the bytes are the builder's, until it is used again.
func (b *Builder) Bytes() []byte {
	if b.count == 0 {
		return nil
	}
	b.finish(b.buf, None)
	return b.buf
}

// Use moves what was appended to other memory, whose content is lost, and returns the memory that the builder had.
func (b *Builder) Use(memory []byte) []byte {
	old := b.buf
	b.buf = append(memory[:0], b.buf...)
	return old
}

// finish writes the header of a batch whose records stand behind it.
func (b *Builder) finish(batch []byte, codec Codec) {
	by := nobody
	if b.named {
		by = b.producer
	}
	be := binary.BigEndian
	be.PutUint64(batch[posBaseOffset:], uint64(b.baseOffset))
	be.PutUint32(batch[posLength:], uint32(len(batch)-lengthPrefixEnd))
	be.PutUint32(batch[posLeaderEpoch:], uint32(b.leaderEpoch))
	batch[posMagic] = magic
	be.PutUint16(batch[posAttributes:], uint16(codec))
	be.PutUint32(batch[posLastOffsetDelta:], uint32(b.count-1))
	be.PutUint64(batch[posBaseTimestamp:], uint64(b.baseTimestamp))
	be.PutUint64(batch[posMaxTimestamp:], uint64(b.maxTimestamp))
	be.PutUint64(batch[posProducerID:], uint64(by.id))
	be.PutUint16(batch[posProducerEpoch:], uint16(by.epoch))
	be.PutUint32(batch[posBaseSequence:], uint32(by.sequence))
	be.PutUint32(batch[posCount:], uint32(b.count))
	be.PutUint32(batch[posChecksum:], crc32.Checksum(batch[posAttributes:], castagnoli))
}
