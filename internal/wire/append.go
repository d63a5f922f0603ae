package wire

import "github.com/google/uuid"

// Expected is what a write assumes about its stream before it: an exact version (1 and up) or one of the constants.
// The zero value is NoStream.
type Expected int64

// The expectations that are not an exact version.
const (
	NoStream     Expected = 0  // the stream holds no event
	Any          Expected = -1 // nothing is assumed
	StreamExists Expected = -2 // the stream holds at least one event
)

// AppendRequest carries independent appends of one producer to one shard. Each succeeds or fails on its own.
type AppendRequest struct {
	Producer      uint64 // random, never 0
	ProducerEpoch uint32
	Appends       []Append
}

// Append is all or nothing: its writes are stored together or not at all.
type Append struct {
	Sequence   uint64 // of this append at its producer; counts from 1, never reused
	Since      uint64 // epoch of the first session that it was sent to without learning the outcome; 0: none, or the one that it is sent to now
	Writes     []Write
	Conditions []Condition
}

// Write is one stream's part of an append.
type Write struct {
	Partition int32
	Expected  Expected
	Stream    []byte
	CommandID []byte // empty: none
	Events    []Event
}

// Event is one record to store. The sequencer adds the headers id and version (see headers.go).
type Event struct {
	ID          uuid.UUID
	HeaderCount int
	Headers     []byte // HeaderCount headers in RecordBatch v2 encoding: varint key length, key, varint value length, value
	Value       []byte
}

// Condition refuses an append when an event with one of the types and all of the tags lies at or after an offset of a partition. No types stand for any
// type, no tags for any tags. The partition is one of the shard's that the append is for.
type Condition struct {
	Partition int32
	After     int64
	Types     [][]byte
	Tags      [][]byte
}

// AppendResponse answers an AppendRequest: one result for each append, in the same order.
// Code is not OK when the request as a whole was refused; then Results is empty.
type AppendResponse struct {
	Code    Code
	Detail  string
	Epoch   uint64
	Results []AppendResult
}

// AppendResult is the outcome of one append.
type AppendResult struct {
	Code      Code
	Detail    string
	Duplicate bool          // OK, but stored by an earlier attempt or an earlier use of the command id
	Timestamp int64         // record time, ms since 1970 (OK)
	Write     int           // index of the write (Conflict, Invalid) or the condition (ConditionFailed, OffsetRange) that was the reason
	Actual    int64         // version of that write's stream (Conflict), offset of an event that the condition rules out (ConditionFailed), end of its partition (OffsetRange)
	Writes    []WriteResult // OK: one for each write
}

// WriteResult is where one write was stored.
type WriteResult struct {
	Partition    int32
	Count        int32 // events of the write (differs from the request's when a command id was used again)
	FirstOffset  int64
	FirstVersion int64
}
