// Package recordbatch reads and writes Kafka's RecordBatch v2 (magic 2), the form in which Strand stores and ships records.
//
//	var b recordbatch.Builder
//	b.Reset(nextOffset, nowMS, epoch)
//	b.Append(recordbatch.Entry{Timestamp: nowMS, Key: stream, Value: data, HeaderCount: 1, Headers: headers})
//	bytes := b.AppendTo(nil)
//
//	batch, rest, err := recordbatch.Parse(bytes)
//	for r, err := range batch.Records() { … }
//
// A batch holds at least one record and its offsets are dense (LastOffsetDelta is Count-1). Its records may be compressed, by a [Codec].
// Transactional and control batches are refused with [ErrUnsupported].
//
// # Ordering
//
// Records are yielded in the order of their offsets, which is the order of their bytes.
//
// # Concurrency
//
// A [Batch] is a view and safe for concurrent use while nobody changes its bytes. Keys, values and headers are views into the same bytes.
// A [Builder] belongs to one goroutine, and so do the bytes of a batch while one of [Stamp], [StampTime] and [StampProducer] changes them.
//
// # Failure
//
// Every length and count is checked before it is used, and nothing is allocated in proportion to one, but for the records of a compressed
// batch: they take up to [InflatedBytesMax]. A refusal is a [*FormatError] that matches [ErrShort], [ErrCorrupt], [ErrUnsupported] or
// [ErrTooLarge]. The checksum covers neither base offset nor leader epoch nor length
// (so that a broker can stamp them): who chains batches must check that base offsets follow each other.
package recordbatch
