package groups

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Share is what a member has of a group's partitions, and what it has to give up.
//
// An assignment under another epoch is another one: the member ends the former, and begins the new one where Start says. It works on what its share
// assigns and on nothing else. Once it has stopped an assignment it never takes it up again.
type Share struct {
	Epoch            uint64       // the member's, to be sent with its heartbeats and commits
	Topics           []uuid.UUID  // to which it subscribes, ascending. If it wants others, its next heartbeat says so
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

// ask is a reply that tells a member its share at the end of the turn.
type ask struct {
	reply    int // which one it is
	member   uuid.UUID
	instance string
	knows    uint64 // the epoch of the share that it has
}

// tell has a member told its share at the end of the turn, unless it knows it.
func (t *turn) tell(m *member, knows uint64) Reply {
	t.asks = append(t.asks, ask{len(t.replies), m.id, m.instance, knows})
	return Reply{}
}

// answer fills in the replies that tell a member its share.
func (t *turn) answer() {
	for _, a := range t.asks {
		m, err := t.present(a.member, a.instance)
		switch {
		case err != nil: // a later request of the turn took it out
			t.replies[a.reply].Err = err
		case m.epoch != a.knows:
			t.replies[a.reply].Share = t.share(m)
		}
	}
}

// share is what a member has, and has to give up.
func (t *turn) share(m *member) *Share {
	s := &Share{Epoch: m.epoch, Topics: slices.Clone(m.topics), SessionTimeout: m.session, RebalanceTimeout: m.rebalance}
	for _, topic := range t.allTopics() {
		for p := range topic.slots {
			slot := &topic.slots[p]
			if slot.owner != m.number {
				continue
			}
			a := Assignment{Partition{topic.id, int32(p)}, slot.epoch}
			if slot.leaving() {
				s.Revoked = append(s.Revoked, a)
				continue
			}
			from := Start{Assignment: a, Offset: NoOffset}
			if c := t.offset(a.Partition); c != nil {
				from.Offset, from.LeaderEpoch = c.offset, c.leaderEpoch
			}
			s.Assigned = append(s.Assigned, from)
		}
	}
	return s
}
