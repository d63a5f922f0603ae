package groups

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// GroupState says what goes on in a group.
type GroupState string

// The states of a group.
const (
	Empty       GroupState = "empty"       // no members
	Reconciling GroupState = "reconciling" // partitions are on their way from member to member
	Stable      GroupState = "stable"      // everybody has what it should have
)

// MemberState says what goes on with a member.
type MemberState string

// The states of a member; the first one that holds counts.
const (
	Away       MemberState = "away"       // an instance that said that it comes back
	Unrevoked  MemberState = "unrevoked"  // it has partitions that it has to give up
	Unreleased MemberState = "unreleased" // it waits for partitions that others have to give up
	Standby    MemberState = "standby"    // there are not enough partitions for it
	Settled    MemberState = "stable"     // it has what it should have
)

// Description is a group as the log has it.
type Description struct {
	Name    string
	State   GroupState
	Epoch   uint64
	Members []MemberDescription // by seniority
}

// MemberDescription is a member as the log has it.
type MemberDescription struct {
	Member           uuid.UUID
	Instance         string
	Client, Host     string
	State            MemberState
	Epoch            uint64
	Topics           []uuid.UUID
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	Heard            time.Time    // when this coordinator last heard it
	Assigned         []Assignment // what it has and keeps
	Revoked          []Assignment // what it has and has to give up
	Awaited          []Partition  // what it should have
}

// Describe answers from what the log says, also while the group is busy. Errors: [ErrUnknownGroup].
func (c *Coordinator) Describe(name string) (Description, error) {
	g := c.groups[name]
	if g == nil || !g.stored {
		return Description{}, &RefusedError{Kind: ErrUnknownGroup, Group: name, Reason: "nobody has joined it, and nothing was committed"}
	}
	d := Description{Name: name, State: Stable, Epoch: g.epoch, Members: make([]MemberDescription, 0, len(g.members))}
	if len(g.members) == 0 {
		d.State = Empty
	}
	places := make(map[uint64]int, len(g.members))
	for i, m := range bySeniority(maps.Values(g.members)) {
		places[m.number] = i
		d.Members = append(d.Members, MemberDescription{Member: m.id, Instance: m.instance, Client: m.client, Host: m.host, Epoch: m.epoch,
			Topics: slices.Clone(m.topics), SessionTimeout: m.session, RebalanceTimeout: m.rebalance, Heard: m.heard})
	}
	for _, t := range g.sortedTopics() {
		for p := range t.slots {
			s, at := &t.slots[p], Partition{t.id, int32(p)}
			if s.owner != 0 {
				owner := &d.Members[places[s.owner]]
				if a := (Assignment{at, s.epoch}); s.leaving() {
					owner.Revoked = append(owner.Revoked, a)
				} else {
					owner.Assigned = append(owner.Assigned, a)
				}
			}
			if s.target != 0 && s.target != s.owner {
				target := &d.Members[places[s.target]]
				target.Awaited = append(target.Awaited, at)
			}
		}
	}
	for i := range d.Members {
		m := &d.Members[i]
		if m.State = m.state(g.members[m.Member].away); m.State == Unrevoked || m.State == Unreleased {
			d.State = Reconciling
		}
	}
	return d, nil
}

func (m *MemberDescription) state(away bool) MemberState {
	switch {
	case away:
		return Away
	case len(m.Revoked) > 0:
		return Unrevoked
	case len(m.Awaited) > 0:
		return Unreleased
	case len(m.Assigned) == 0:
		return Standby
	}
	return Settled
}
