package wire

import (
	"time"

	"github.com/google/uuid"
)

// TopicSpec is what a topic is created from. Catalogue requests and answers are JSON: they are rare, and people read them.
type TopicSpec struct {
	Name       string    `json:"name"`
	Kind       string    `json:"kind"` // KindVersioned and so on
	Partitions int       `json:"partitions"`
	Shards     int       `json:"shards"`
	Retention  Retention `json:"retention,omitzero"` // of a plain topic

	// Replicas is the number of nodes that have a copy: 1, 3 or 5.
	Replicas int `json:"replicas,omitempty"`
	// MinInSync is how many of them must be in sync, the leader's included, for an append to be taken.
	MinInSync int `json:"minInSync,omitempty"`

	// ProducerTime keeps the record times that producers set. Else a record's time is when it was stored. Plain topics only.
	ProducerTime bool `json:"producerTime,omitempty"`
}

// The kinds of topic.
const (
	KindVersioned = "versioned" // event streams: expected versions, nothing is ever deleted
	KindPlain     = "plain"     // record batches, deleted by age, size or request
	KindTable     = "table"     // the latest record of each key
)

// Retention bounds what a plain topic keeps: records that are older go, and the oldest of a shard, over all its partitions, when it holds more bytes
// than so many. Zero: no bound.
type Retention struct {
	AgeMS int64 `json:"ageMs,omitempty"`
	Bytes int64 `json:"bytes,omitempty"`
}

// TopicInfo describes a topic and where its partitions are served.
type TopicInfo struct {
	TopicSpec
	ID      uuid.UUID   `json:"id"`
	LogID   uuid.UUID   `json:"logId"`
	State   string      `json:"state"`
	Created time.Time   `json:"created"`
	Shard   []ShardInfo `json:"shard,omitempty"` // by shard number
}

// The states of a shard. It answers only while it is serving, and never again when it is corrupt or diverged.
const (
	ShardServing    = "serving"
	ShardFencing    = "fencing"
	ShardFollow     = "follow"
	ShardRebuilding = "rebuilding" // its caches, from the log
	ShardNoQuorum   = "no quorum"  // its node sees fewer than half of the others
	ShardNoStorage  = "no storage" // the disk is full or fails, so that it cannot even begin to serve
	ShardCorrupt    = "corrupt"
	ShardDiverged   = "diverged"
)

// ShardInfo says where a shard is served and how far its partitions reach.
type ShardInfo struct {
	Shard      int             `json:"shard"`
	State      string          `json:"state"` // ShardServing and so on
	Detail     string          `json:"detail,omitempty"`
	Node       string          `json:"node"`
	Epoch      uint64          `json:"epoch"`
	Session    uint64          `json:"session,string"`
	Newest     int64           `json:"newest,omitempty"` // record time, ms since 1970
	Partitions []PartitionInfo `json:"partitions"`
	Replicas   []ReplicaInfo   `json:"replicas,omitempty"` // the copies of all nodes that have one, this one's included; none on a single node
}

// ReplicaInfo says how far one node's copy of a shard is. It is in sync when it has all that could be read a moment ago.
type ReplicaInfo struct {
	Node   string `json:"node"`
	Alive  bool   `json:"alive"`
	InSync bool   `json:"inSync"`
	Lag    int64  `json:"lag"`   // records behind, over all partitions; -1: its node does not say
	LagMS  int64  `json:"lagMs"` // between its newest record and the leader's; -1: its node does not say
}

// PartitionInfo is the readable range of one partition: [Start, HighWatermark).
type PartitionInfo struct {
	Partition     int32 `json:"partition"`
	Start         int64 `json:"start"`
	HighWatermark int64 `json:"highWatermark"`
}

// TopicChange is what can be changed of a topic. What is nil stays as it is.
type TopicChange struct {
	RetentionAgeMS *int64 `json:"retentionAgeMs,omitempty"`
	RetentionBytes *int64 `json:"retentionBytes,omitempty"`
}

// TopicRequest is the body of the catalogue requests. Create uses Spec; Describe uses Name, and ID if the client knows an incarnation; Alter uses ID and Change; Delete uses ID; List uses nothing.
type TopicRequest struct {
	Spec   *TopicSpec   `json:"spec,omitempty"`
	Change *TopicChange `json:"change,omitempty"`
	Name   string       `json:"name,omitempty"`
	ID     uuid.UUID    `json:"id,omitzero"`
}

// TopicResponse answers them all.
type TopicResponse struct {
	Code   Code        `json:"code"`
	Detail string      `json:"detail,omitempty"`
	Topics []TopicInfo `json:"topics,omitempty"`
	Nodes  []NodeInfo  `json:"nodes,omitempty"`
}

// NodeInfo is one node of a cluster, as the node that was asked sees it.
type NodeInfo struct {
	Node  string `json:"node"`
	URL   string `json:"url"` // where clients reach it
	Alive bool   `json:"alive"`
	Leads int    `json:"leads"` // shards, the catalogue's included

	Version string `json:"version,omitempty"` // of its program
}

// ShardOf is the shard that holds a partition of a topic: partitions are dealt to the shards in turn.
func ShardOf(partition int32, shards int) int { return int(partition) % shards }
