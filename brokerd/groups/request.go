package groups

import (
	"time"

	"github.com/google/uuid"
)

// Request is one of [Join], [Heartbeat], [Leave], [CommitOffsets], [ResetOffsets], [Delete] and [ForgetTopic].
type Request interface {
	// decide lays what the request changes over the turn, or refuses it and changes nothing.
	decide(t *turn) Reply
	// bytes is about the size of the records that it leads to.
	bytes(g *group) int
}

// Reply answers a request. It may be given once the records of its turn are stored.
type Reply struct {
	Err     error   // a [RefusedError]: the request changed nothing
	Share   *Share  // of Join and Heartbeat; nil: it is the one that the member knows
	Commits []error // of CommitOffsets, for each of its offsets; nil: it is committed
}

// Share is what a member has of a group's partitions, and what it has to give up.
type Share struct {
	Epoch            uint64       // the member's, to be sent with its heartbeats and commits
	Assigned         []Start      // by partition; empty: the member stands by
	Revoked          []Assignment // that the member has to stop, and to tell of in Heartbeat.Released
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
}

// Start is an assigned partition and the place from which it is read.
type Start struct {
	Assignment
	Offset      int64 // NoOffset: none is committed
	LeaderEpoch uint64
}

// NoOffset is the offset of a partition of which nothing is committed.
const NoOffset = -1

// Expired is a member that was taken for dead.
type Expired struct {
	Member   uuid.UUID
	Instance string
	Silent   bool // it was not heard for its session timeout; otherwise it did not give up a partition within its rebalance timeout
}

// ask is a reply that tells a member its share at the end of the turn.
type ask struct {
	reply    int // which one it is
	member   uuid.UUID
	instance string
	knows    uint64 // the epoch of the share that it has
}
