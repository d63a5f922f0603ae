package commitlog

import (
	"time"

	"github.com/google/uuid"
)

// Record is one record as a reader sees it. Key, Value and header values are views into the fetched batch:
// they stay valid for as long as they are referenced and must not be changed.
type Record struct {
	Partition int32
	Offset    int64
	Epoch     uint64 // of the leader that answered; only meaningful together with Offset
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header is one record header. A key may occur more than once.
type Header struct {
	Key   string
	Value []byte
}

// NewRecord is one event to append. A zero ID is replaced by a UUIDv7.
type NewRecord struct {
	ID      uuid.UUID
	Value   []byte
	Headers []Header
}
