package groups

import (
	"time"

	"github.com/google/uuid"
)

// Join makes a process a member of a group, and makes the group if it is not there.
//
// A member draws its id, a UUID, before it joins, and a new one whenever it has to join again: sent again under the same id, the request finds the
// member there and leaves it as it is, since it may be an old copy. One that names an instance replaces the member that has this name, whether that
// is dead or not: it is given that member's partitions, under new epochs, and the former one is fenced.
//
// Errors: [ErrInvalid], [ErrLimit], [ErrFencedInstance] when the id is that of a member that its instance has replaced.
type Join struct {
	Member           uuid.UUID
	Instance         string // "": none. Two processes never have the same
	Client, Host     string // shown by Describe
	Topics           []Topic
	SessionTimeout   time.Duration // default SessionTimeoutDefault
	RebalanceTimeout time.Duration // default RebalanceTimeoutDefault
}

func (j Join) bytes(*group) int { return groupBytes + 2*memberBytes }

func (j Join) decide(t *turn) Reply {
	m, former := t.member(j.Member), t.instance(j.Instance)
	if err := j.check(t, m, former); err != nil {
		return Reply{Err: err}
	}
	t.create()
	switch {
	case m != nil: // sent again
		t.hear(m)
		return t.tell(m, 0)
	case former != nil:
		t.remove(former)
		m = &member{number: former.number, former: former.id}
	default:
		t.numbers++
		m = &member{number: t.numbers}
	}
	m.id, m.instance, m.client, m.host, m.session, m.rebalance = j.Member, j.Instance, j.Client, j.Host, j.SessionTimeout, j.RebalanceTimeout
	t.hear(m)
	t.subscribe(m, j.Topics)
	return t.tell(m, 0)
}

// check fills in the defaults and refuses what cannot be.
func (j *Join) check(t *turn, m, former *member) error {
	if j.SessionTimeout == 0 {
		j.SessionTimeout = SessionTimeoutDefault
	}
	if j.RebalanceTimeout == 0 {
		j.RebalanceTimeout = RebalanceTimeoutDefault
	}
	j.SessionTimeout, j.RebalanceTimeout = j.SessionTimeout.Truncate(time.Millisecond), j.RebalanceTimeout.Truncate(time.Millisecond)
	if j.Member == uuid.Nil {
		return t.refuse(ErrInvalid, "a member needs an id: draw a UUID")
	}
	if reason, ok := checkName(j.Instance); !ok && j.Instance != "" {
		return t.refuse(ErrInvalid, "instance %.100q: %s", j.Instance, reason)
	}
	if reason, ok := checkText(j.Client); !ok {
		return t.refuse(ErrInvalid, "the client of member %s: %s", j.Member, reason)
	}
	if reason, ok := checkText(j.Host); !ok {
		return t.refuse(ErrInvalid, "the host of member %s: %s", j.Member, reason)
	}
	switch {
	case j.SessionTimeout < SessionTimeoutMin || j.SessionTimeout > SessionTimeoutMax:
		return t.refuse(ErrInvalid, "a session timeout of %v: %v to %v are possible", j.SessionTimeout, SessionTimeoutMin, SessionTimeoutMax)
	case j.RebalanceTimeout < RebalanceTimeoutMin || j.RebalanceTimeout > RebalanceTimeoutMax:
		return t.refuse(ErrInvalid, "a rebalance timeout of %v: %v to %v are possible", j.RebalanceTimeout, RebalanceTimeoutMin, RebalanceTimeoutMax)
	case len(j.Topics) == 0:
		return t.refuse(ErrInvalid, "member %s subscribes to no topic", j.Member)
	}
	if err := t.checkTopics(j.Topics); err != nil {
		return err
	}
	switch {
	case m != nil:
		_, err := t.present(j.Member, j.Instance)
		return err
	case former != nil && former.former == j.Member:
		return t.refuse(ErrFencedInstance, "member %s was replaced as instance %q by member %s: two processes need two instance names", j.Member, j.Instance, former.id)
	case former != nil:
		return nil
	case t.count() >= MembersMax:
		return t.refuse(ErrLimit, "it has %d members, at most %d are possible", t.count(), MembersMax)
	}
	if err := t.refuseGroup(); err != nil {
		return err
	}
	return t.grow(memberBytes)
}
