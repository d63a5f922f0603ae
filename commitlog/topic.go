package commitlog

import (
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// Kind says what a topic is for.
type Kind string

const (
	// Versioned topics hold event streams: expected versions, an index by stream and version, no deletion of records.
	Versioned Kind = wire.KindVersioned
	// Plain topics hold what a Producer sends, until it is deleted by age, by size or by DeleteBefore.
	Plain Kind = wire.KindPlain
	// Table topics hold the latest record of each key, which Get finds. A record without a value deletes its key.
	Table Kind = wire.KindTable
)

// TopicConfig describes a topic to create.
type TopicConfig struct {
	Name       string // letters, digits, '.', '_' and '-', at most 100 bytes, beginning with a letter or a digit
	Kind       Kind   // default Versioned
	Partitions int    // default 8, at most 1024; it can never be changed
	Shards     int    // default 1: one sequencer, so that appends over several partitions are atomic

	// Of plain topics only. What is older, or lies before the newest RetentionBytes of a shard, is deleted some time later: an eighth of the age or of
	// the bytes more may be kept. 0: nothing is deleted for that reason.
	RetentionAge   time.Duration
	RetentionBytes int64 // of each shard, over all its partitions: the oldest go first, whichever partition they are in

	// ProducerTime keeps the times that producers give their records. Else a record's time is when it was stored. Of plain topics only.
	ProducerTime bool
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

	RetentionAge   time.Duration
	RetentionBytes int64
	ProducerTime   bool
}

// TopicChange says what is to be changed of a plain topic. What is nil stays as it is; 0 keeps records whatever their age, or size. Nothing else of a
// topic can ever be changed: keys would move to other partitions, and offsets to other records.
type TopicChange struct {
	RetentionAge   *time.Duration
	RetentionBytes *int64
}

// PartitionInfo is the readable range of a partition, [Start, End), and who leads it.
type PartitionInfo struct {
	Start, End int64
	Epoch      uint64
	Leader     string // the node
	State      string // Serving, or in a few words what keeps it from that
	Detail     string // more about it; empty while it is serving
}

// Serving is the State of a partition that can be read and written.
const Serving = wire.ShardServing
