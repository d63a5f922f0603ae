package wire

import (
	"time"

	"github.com/google/uuid"
)

// GroupsTopic is the name of the internal table topic in which consumer groups are kept. It is made when a group is first asked for.
const GroupsTopic = "groups"

// Group messages are JSON like those of the catalogue: a member sends one every other second.

// GroupRequest is a request to the coordinator of one or more groups, which runs beside the sequencer of a partition of the groups topic. Exactly one of the
// pointers and flags says what is asked. A request may be sent again when its answer was lost.
type GroupRequest struct {
	Partition int32  `json:"partition"`       // of the groups topic: that of the key {GROUP}
	Group     string `json:"group,omitempty"` // unless List

	Join      *GroupJoin      `json:"join,omitempty"`
	Heartbeat *GroupHeartbeat `json:"heartbeat,omitempty"`
	Leave     *GroupLeave     `json:"leave,omitempty"`
	Commit    *GroupCommit    `json:"commit,omitempty"`
	Reset     *GroupReset     `json:"reset,omitempty"`
	Delete    bool            `json:"delete,omitempty"`
	Describe  bool            `json:"describe,omitempty"`
	List      bool            `json:"list,omitempty"`
}

// GroupJoin makes a member.
type GroupJoin struct {
	Member             uuid.UUID    `json:"member"`
	Instance           string       `json:"instance,omitempty"`
	Client             string       `json:"client,omitempty"`
	Host               string       `json:"host,omitempty"`
	Topics             []GroupTopic `json:"topics"`
	SessionTimeoutMS   int64        `json:"sessionTimeoutMs,omitempty"`   // 0: the coordinator's default
	RebalanceTimeoutMS int64        `json:"rebalanceTimeoutMs,omitempty"` // 0: the coordinator's default
}

// GroupTopic is a topic that a member subscribes to.
type GroupTopic struct {
	ID         uuid.UUID `json:"id"`
	Partitions int       `json:"partitions"`
}

// GroupPartition is one partition of a topic.
type GroupPartition struct {
	Topic     uuid.UUID `json:"topic"`
	Partition int32     `json:"partition"`
}

// GroupAssignment is a partition as it was given to one member. Its epoch never comes again.
type GroupAssignment struct {
	GroupPartition
	Epoch uint64 `json:"epoch"`
}

// GroupHeartbeat says that a member lives, and what it has stopped for good.
type GroupHeartbeat struct {
	Member   uuid.UUID         `json:"member"`
	Instance string            `json:"instance,omitempty"`
	Epoch    uint64            `json:"epoch"` // of the share that it knows, 0: none
	Released []GroupAssignment `json:"released,omitempty"`
	WaitMS   int32             `json:"waitMs,omitempty"` // that the answer may wait for a share that the member does not know, at most GroupWaitMax
}

// GroupWaitMax bounds GroupHeartbeat.WaitMS.
const GroupWaitMax = 2 * time.Second

// GroupLeave takes a member out of its group.
type GroupLeave struct {
	Member   uuid.UUID `json:"member"`
	Instance string    `json:"instance,omitempty"`
	Returns  bool      `json:"returns,omitempty"` // the instance comes back within its session timeout
}

// GroupCommit moves committed offsets. Each is committed or refused by itself.
type GroupCommit struct {
	Member   uuid.UUID           `json:"member"`
	Instance string              `json:"instance,omitempty"`
	Epoch    uint64              `json:"epoch"`
	Offsets  []GroupCommitOffset `json:"offsets"`
}

// GroupCommitOffset is one offset to be committed.
type GroupCommitOffset struct {
	GroupAssignment
	Sequence    uint64 `json:"sequence"` // of the commit within its assignment, from 1 on
	Offset      int64  `json:"offset"`   // of the next record to be read
	LeaderEpoch uint64 `json:"leaderEpoch,omitempty"`
	Metadata    string `json:"metadata,omitempty"`
}

// GroupReset sets committed offsets, also backwards.
type GroupReset struct {
	Force   bool          `json:"force,omitempty"` // also of a group that has members
	Offsets []GroupOffset `json:"offsets"`
}

// GroupOffset is a committed offset.
type GroupOffset struct {
	GroupPartition
	Offset      int64  `json:"offset"` // NoGroupOffset: none is committed
	LeaderEpoch uint64 `json:"leaderEpoch,omitempty"`
	Metadata    string `json:"metadata,omitempty"`
}

// NoGroupOffset is the offset of a partition of which nothing is committed.
const NoGroupOffset = -1

// GroupResponse answers a GroupRequest.
type GroupResponse struct {
	Code    Code          `json:"code"`
	Detail  string        `json:"detail,omitempty"`
	Epoch   uint64        `json:"leaderEpoch"`       // of the coordinator's sequencer
	Share   *GroupShare   `json:"share,omitempty"`   // of Join, and of Heartbeat unless the member knows it
	Commits []GroupResult `json:"commits,omitempty"` // of Commit, in its order
	Groups  []GroupInfo   `json:"groups,omitempty"`  // of Describe one, of List all of the partition, without members and offsets
}

// GroupResult is the outcome of one offset.
type GroupResult struct {
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitempty"`
}

// GroupShare is what a member has of the partitions, and what it has to give up.
type GroupShare struct {
	Epoch              uint64            `json:"epoch"`
	Assigned           []GroupStart      `json:"assigned"`
	Revoked            []GroupAssignment `json:"revoked,omitempty"`
	SessionTimeoutMS   int64             `json:"sessionTimeoutMs"`
	RebalanceTimeoutMS int64             `json:"rebalanceTimeoutMs"`
}

// GroupStart is an assigned partition and the place from which it is read on.
type GroupStart struct {
	GroupAssignment
	Offset      int64  `json:"offset"` // NoGroupOffset: none is committed
	LeaderEpoch uint64 `json:"leaderEpoch,omitempty"`
}

// GroupInfo describes a group.
type GroupInfo struct {
	Name    string            `json:"name"`
	State   string            `json:"state"` // empty, reconciling, stable
	Epoch   uint64            `json:"epoch"`
	Size    int               `json:"size"` // members
	Members []GroupMemberInfo `json:"members,omitempty"`
	Offsets []GroupOffset     `json:"offsets,omitempty"`
}

// GroupMemberInfo describes a member of a group.
type GroupMemberInfo struct {
	Member             uuid.UUID         `json:"member"`
	Instance           string            `json:"instance,omitempty"`
	Client             string            `json:"client,omitempty"`
	Host               string            `json:"host,omitempty"`
	State              string            `json:"state"`
	Epoch              uint64            `json:"epoch"`
	Topics             []uuid.UUID       `json:"topics"`
	SessionTimeoutMS   int64             `json:"sessionTimeoutMs"`
	RebalanceTimeoutMS int64             `json:"rebalanceTimeoutMs"`
	Heard              time.Time         `json:"heard,omitzero"`
	Assigned           []GroupAssignment `json:"assigned,omitempty"`
	Revoked            []GroupAssignment `json:"revoked,omitempty"`
	Awaited            []GroupPartition  `json:"awaited,omitempty"`
}

// AppendTo appends the request as JSON to dst.
func (m *GroupRequest) AppendTo(dst []byte) ([]byte, error) { return appendJSON(dst, m) }

// Decode reads a request.
func (m *GroupRequest) Decode(b []byte) error {
	*m = GroupRequest{}
	return decodeJSON("GroupRequest", b, GroupRequestBytesMax, m)
}

// AppendTo appends the response as JSON to dst.
func (m *GroupResponse) AppendTo(dst []byte) ([]byte, error) { return appendJSON(dst, m) }

// Decode reads a response.
func (m *GroupResponse) Decode(b []byte) error {
	*m = GroupResponse{}
	return decodeJSON("GroupResponse", b, PayloadBytesMax, m)
}
