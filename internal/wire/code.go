package wire

import "fmt"

// Code is the outcome of a request, as it stands on the wire. The numbers are fixed.
type Code uint8

// The outcomes. Definite means: the request had no effect and never will have.
const (
	OK              Code = 0
	Conflict        Code = 1  // definite: an expected version did not hold
	NotLeader       Code = 2  // definite: ask for metadata and send again
	Retry           Code = 3  // definite: not evaluated, or proven absent from the log; send again with the same ids, as if it had never been sent
	Unknown         Code = 4  // it may be stored or be stored later
	Overloaded      Code = 5  // definite: the queue stayed full for the bounded wait
	TooLarge        Code = 6  // definite: a limit of limits.go
	Invalid         Code = 7  // definite: malformed, bad name, wrong partition; Detail says what
	IDReuse         Code = 8  // definite: the sequence was used before for other content
	UnknownTopic    Code = 9  // definite
	TopicExists     Code = 10 // definite
	OffsetRange     Code = 11 // the offset is outside [Start, HighWatermark]; of an append: a condition looks from beyond the end of its partition on, definite
	Stale           Code = 12 // this node has not reached what the client has seen
	Corrupt         Code = 13 // the shard's log is damaged: it serves nothing
	LogDiverged     Code = 14 // the log lost acknowledged records: it serves nothing until an operator decides
	Internal        Code = 15 // a fault of the broker that Detail describes
	NotEnoughSync   Code = 16 // definite: too few replicas are current
	ConditionFailed Code = 17 // definite: an event that a condition of the append rules out exists
	OutOfOrder      Code = 18 // definite: the producer has stored a batch with a higher number
	NoStorage       Code = 19 // definite: the disk is full or fails; Detail says which
	Early           Code = 20 // not stored: a batch that must come before it has not arrived; of earlier sends it says nothing
	UnknownMember   Code = 21 // the group does not have the member: it stops everything and joins under a new id
	FencedMember    Code = 22 // the member does not have the partition, or not under this assignment epoch
	FencedInstance  Code = 23 // another process took over the member's instance name
	UnknownGroup    Code = 24 // definite
	GroupNotEmpty   Code = 25 // definite: the group has members
	OffsetBackwards Code = 26 // definite: a later offset is committed
	GroupLimit      Code = 27 // definite: a limit of groups; Detail says which
)

func (c Code) String() string {
	names := [...]string{
		OK: "ok", Conflict: "conflict", NotLeader: "not leader", Retry: "retry", Unknown: "unknown", Overloaded: "overloaded",
		TooLarge: "too large", Invalid: "invalid", IDReuse: "id reuse", UnknownTopic: "unknown topic", TopicExists: "topic exists",
		OffsetRange: "offset out of range", Stale: "stale", Corrupt: "corrupt", LogDiverged: "log diverged", Internal: "internal fault",
		NotEnoughSync: "not enough replicas", ConditionFailed: "condition failed", OutOfOrder: "out of order",
		NoStorage: "no storage", Early: "too early",
		UnknownMember: "unknown member", FencedMember: "fenced member", FencedInstance: "fenced instance", UnknownGroup: "unknown group",
		GroupNotEmpty: "group not empty", OffsetBackwards: "offset backwards", GroupLimit: "group limit",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}
