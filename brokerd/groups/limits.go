package groups

import "time"

// The limits of a group hold together: the records of any turn fit in one append, and every key is one that a table topic takes.
const (
	NameBytesMax     = 200       // the name of a group or of an instance
	TextBytesMax     = 255       // what a member says of its client, and of its host
	MembersMax       = 1000      // members of a group
	TopicsMax        = 64        // topics that a member subscribes to
	PartitionsMax    = 4096      // partitions of all topics that a group subscribes to, and partitions with a committed offset
	MetadataBytesMax = 4 << 10   // what a member commits along with an offset
	RequestBytesMax  = 3 << 19   // records of one request of offsets, about
	TurnBytesMax     = 1 << 20   // records, about, beyond which a turn takes no further request
	epochMax         = 1<<63 - 1 // epochs, and numbers of members
)

// About what records take, with their keys.
const (
	groupBytes  = 320
	topicBytes  = 320 // without slots
	memberBytes = 2 << 10
	offsetBytes = 320 // without metadata
	slotBytes   = 12
)

// The timeouts of members. A session of six seconds lets a dead member's partitions go on within ten: they are taken from it when it was not
// heard for that long, and their next member learns of it by its next heartbeat, two seconds later at most.
const (
	SessionTimeoutDefault   = 6 * time.Second // without a heartbeat, after which a member is taken for dead
	SessionTimeoutMin       = time.Second
	SessionTimeoutMax       = 5 * time.Minute
	RebalanceTimeoutDefault = 30 * time.Second // that a member may take to give a partition up: three times what its last handler has to end
	RebalanceTimeoutMin     = time.Second
	RebalanceTimeoutMax     = 15 * time.Minute
)

// HeartbeatsPerSession is how many heartbeats a member sends within its session timeout, so that one may be lost.
const HeartbeatsPerSession = 3

// Limits bounds what a coordinator holds.
type Limits struct {
	GroupsMax int   // default 10,000
	BytesMax  int64 // keys and values of all records, default 64 MiB
}

func (l Limits) complete() Limits {
	if l.GroupsMax == 0 {
		l.GroupsMax = 10_000
	}
	if l.BytesMax == 0 {
		l.BytesMax = 64 << 20
	}
	return l
}
