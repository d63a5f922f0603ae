package commitlog

import (
	"time"

	"github.com/google/uuid"
)

// Kind says what a topic is for.
type Kind string

// Versioned topics hold event streams: expected versions, an index by stream and version, no deletion of records.
const Versioned Kind = "versioned"

// TopicConfig describes a topic to create.
type TopicConfig struct {
	Name       string // letters, digits, '.', '_' and '-', at most 100 bytes, beginning with a letter or a digit
	Kind       Kind   // default Versioned
	Partitions int    // default 8, at most 1024; it can never be changed
	Shards     int    // default 1: one sequencer, so that appends over several partitions are atomic
}

// Topic is one incarnation of a topic. A topic that was deleted and created again under the same name has another ID.
type Topic struct {
	Name       string
	Kind       Kind
	ID         uuid.UUID
	LogID      uuid.UUID // changes when an operator restores the log from a backup
	Shards     int
	Created    time.Time
	Partitions []PartitionInfo // as of the answer, by partition number
}

// PartitionInfo is the readable range of a partition, [Start, End), and the epoch of its leader.
type PartitionInfo struct {
	Start, End int64
	Epoch      uint64
}
