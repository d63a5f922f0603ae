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
	Shards     int    // each has a sequencer, and appends over several partitions of one are atomic; default 1, in a cluster one for each node

	// Replicas is the number of nodes that have a copy: 1, 3 or 5. Default 3 in a cluster. So many copies outlive the loss of fewer than half of them.
	Replicas int
	// MinInSync is how many of them, the leader's included, must be in sync for appends to be taken: with fewer they are refused with
	// ErrNotEnoughReplicas. Default 1. It is looked at before an append; more than half of the copies store it before it is acknowledged in any case.
	MinInSync int

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
	Replicas   int
	MinInSync  int
	Created    time.Time
	Partitions []PartitionInfo // as of the answer, by partition number

	RetentionAge   time.Duration
	RetentionBytes int64
	ProducerTime   bool
}

// Internal says whether the topic is the brokers' own: the one in which they keep consumer groups. It can be read, and nothing else.
func (t Topic) Internal() bool { return t.Name == wire.GroupsTopic }

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

	Replicas []ReplicaInfo // the nodes that have a copy, the leader included; none on a single node, or while none leads
}

// ReplicaInfo is one node's copy of a partition.
type ReplicaInfo struct {
	Node   string
	Alive  bool
	InSync bool // it was heard of lately, and lacks no more than is on its way at any time

	// Lag and LagTime are how far it is behind, over all partitions of the shard: in records, and between its newest record and the leader's. -1 while its
	// node does not say, because it is gone or has just come back.
	Lag     int64
	LagTime time.Duration
}

// Serving is the State of a partition that can be read and written.
const Serving = wire.ShardServing
