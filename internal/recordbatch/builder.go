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
	buf           []byte // the batch; its header is written by AppendTo
	count         int
	baseOffset    int64
	baseTimestamp int64
	maxTimestamp  int64
	leaderEpoch   int32
}

// Reset drops what was appended and begins a batch. Timestamps are stored relative to baseTimestamp: the nearer, the fewer bytes.
func (b *Builder) Reset(baseOffset, baseTimestamp int64, leaderEpoch int32) {
	*b = Builder{buf: b.buf[:0], baseOffset: baseOffset, baseTimestamp: baseTimestamp, leaderEpoch: leaderEpoch}
}

// Append adds a record at the next offset and returns its place in the finished batch: what [Record] calls Pos and Len.
// Nothing of r is kept.
func (b *Builder) Append(r Entry) (pos, length int) {
	if b.count == 0 {
		b.buf = append(b.buf[:0], make([]byte, HeaderBytes)...)
		b.maxTimestamp = r.Timestamp
	}
	b.maxTimestamp = max(b.maxTimestamp, r.Timestamp)
	timestampDelta := r.Timestamp - b.baseTimestamp
	offsetDelta := int64(b.count)
	body := 1 + varintLen(timestampDelta) + varintLen(offsetDelta) +
		bytesFieldLen(r.Key) + bytesFieldLen(r.Value) + varintLen(int64(r.HeaderCount)) + len(r.Headers)

	pos = len(b.buf)
	dst := binary.AppendVarint(b.buf, int64(body))
	dst = append(dst, 0) // attributes
	dst = binary.AppendVarint(dst, timestampDelta)
	dst = binary.AppendVarint(dst, offsetDelta)
	dst = appendBytesField(dst, r.Key)
	dst = appendBytesField(dst, r.Value)
	dst = binary.AppendVarint(dst, int64(r.HeaderCount))
	b.buf = append(dst, r.Headers...)
	b.count++
	return pos, len(b.buf) - pos
}

// Len is the size of the finished batch in bytes: 0 while it is empty.
func (b *Builder) Len() int {
	if b.count == 0 {
		return 0
	}
	return len(b.buf)
}

// Count is the number of records appended since the last Reset.
func (b *Builder) Count() int { return b.count }

// absent is -1 in each of the producer's fields: this batch has no Kafka producer.
const absent = 1<<64 - 1

// AppendTo appends the finished batch to dst; an empty batch is no bytes. The builder can go on with the same batch.
func (b *Builder) AppendTo(dst []byte) []byte {
	if b.count == 0 {
		return dst
	}
	be := binary.BigEndian
	be.PutUint64(b.buf[posBaseOffset:], uint64(b.baseOffset))
	be.PutUint32(b.buf[posLength:], uint32(len(b.buf)-lengthPrefixEnd))
	be.PutUint32(b.buf[posLeaderEpoch:], uint32(b.leaderEpoch))
	b.buf[posMagic] = magic
	be.PutUint32(b.buf[posLastOffsetDelta:], uint32(b.count-1))
	be.PutUint64(b.buf[posBaseTimestamp:], uint64(b.baseTimestamp))
	be.PutUint64(b.buf[posMaxTimestamp:], uint64(b.maxTimestamp))
	be.PutUint64(b.buf[posProducerID:], absent)
	be.PutUint16(b.buf[posProducerEpoch:], absent&0xffff)
	be.PutUint32(b.buf[posBaseSequence:], absent&0xffffffff)
	be.PutUint32(b.buf[posCount:], uint32(b.count))
	be.PutUint32(b.buf[posChecksum:], crc32.Checksum(b.buf[posAttributes:], castagnoli))
	return append(dst, b.buf...)
}
