package commitlog

import (
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// Expected is what a write assumes about its stream: an exact version (1 and up), or NoStream (the zero value), Any, StreamExists.
type Expected = wire.Expected

// The expectations that are not an exact version.
const (
	NoStream     = wire.NoStream
	Any          = wire.Any
	StreamExists = wire.StreamExists
)

// Append is stored as a whole or not at all: if every write finds its stream as it expects it, and every condition holds. All its streams, and the
// partitions that its conditions look at, must belong to one shard of the topic.
type Append struct {
	Writes     []Write // at least one
	Conditions []Condition
}

// Write adds events to one stream.
type Write struct {
	Stream    string // category-key
	Expected  Expected
	CommandID string // not empty: a second write with this id to this stream is answered with the first one's result
	Events    []NewRecord
}

// Appended says where an append was stored: one entry for each write, in order.
type Appended struct {
	Writes    []Written
	Time      time.Time // record time of all its events
	Duplicate bool      // an earlier use of a command id was answered: nothing new was stored
}

// Written is where one write was stored: Count events from FirstOffset and FirstVersion on, both consecutive.
type Written struct {
	Partition    int32
	Epoch        uint64
	Count        int
	FirstOffset  int64
	FirstVersion int64
}
