package groups

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// judge knows what must be true of every turn, whatever arrives, in whatever order and however late:
//
//   - An assignment ends when its member releases it, is removed, or is given the partition anew by a forced reset. It is released only by a
//     process that has stopped. Work on one that ended otherwise is lost: nothing of it is ever committed.
//   - A member is removed when it leaves, when another one comes under its instance's name, when it was not heard for its session timeout, or when
//     it does not give up a partition within its rebalance timeout. The latter two happen in the first full turn from then on.
//   - A commit counts if and only if its member has the partition under that assignment when the commit's place in the turn has come.
//   - Committed offsets go back, or go, only where a reset, or a deletion of the group, says so.
type judge struct {
	heard      map[uuid.UUID]time.Time  // when a member was heard last, surely
	perhaps    map[uuid.UUID]time.Time  // when it may have been: it was refused, if for what came behind it cannot be told
	asked      map[Assignment]time.Time // when it was asked back
	lost       map[Assignment]bool      // it ended without having been released
	committers map[Assignment]uuid.UUID
	offsets    map[Partition]int64
}

func newJudge() *judge {
	return &judge{heard: map[uuid.UUID]time.Time{}, perhaps: map[uuid.UUID]time.Time{}, asked: map[Assignment]time.Time{}, lost: map[Assignment]bool{},
		committers: map[Assignment]uuid.UUID{}, offsets: map[Partition]int64{}}
}

// fate is what a turn may do to members and assignments, as its requests and replies say.
type fate struct {
	removed  map[uuid.UUID]bool
	released map[Assignment]uuid.UUID
	reset    map[Partition]bool
	deleted  bool
}

// holding is who has what in the middle of a turn. A join or heartbeat that is refused may have had its effect, when its member was removed by a
// request behind it; so there are two views.
type holding struct{ surely, perhaps map[Assignment]uuid.UUID }

func (h holding) end(surely bool, gone func(Assignment, uuid.UUID) bool) {
	maps.DeleteFunc(h.surely, gone)
	if surely {
		maps.DeleteFunc(h.perhaps, gone)
	}
}

// decided judges a decision by the state on which it was made. full says that it took all requests that waited.
func (j *judge) decided(now time.Time, before *group, t *openTurn, full bool) (*fate, error) {
	f := &fate{removed: map[uuid.UUID]bool{}, released: map[Assignment]uuid.UUID{}, reset: map[Partition]bool{}}
	h := holding{assigned(before), assigned(before)}
	for i, m := range t.messages {
		if err := j.request(now, before, f, h, m.request, t.decision.Replies[i]); err != nil {
			return nil, err
		}
	}
	still := assigned(before) // what was not given up; a reset in the same turn is no excuse
	maps.DeleteFunc(still, func(a Assignment, id uuid.UUID) bool { return h.perhaps[a] != id && !f.reset[a.Partition] })
	for _, e := range t.decision.Expired {
		m := before.members[e.Member]
		if e.Silent && now.Sub(j.heard[m.id]) < m.session || !e.Silent && !j.late(now, still, m) {
			return nil, fmt.Errorf("at %v member %s was taken for dead, silent: %t; it was heard at %v, assignments were asked back at %v",
				now, e.Member, e.Silent, j.heard[e.Member], j.asked)
		}
		f.removed[e.Member] = true
	}
	for id, m := range before.members {
		if full && !f.removed[id] && (now.Sub(j.perhaps[id]) >= m.session || j.late(now, h.surely, m)) {
			return nil, fmt.Errorf("at %v member %s was not taken for dead; it was heard at %v, its assignments were asked back at %v", now, id, j.heard[id], j.asked)
		}
	}
	return f, nil
}

func (j *judge) hear(now time.Time, id uuid.UUID, surely bool) {
	j.perhaps[id] = now
	if surely {
		j.heard[id] = now
	}
}

func (j *judge) late(now time.Time, has map[Assignment]uuid.UUID, m *member) bool {
	for a, id := range has {
		if at, ok := j.asked[a]; ok && id == m.id && now.Sub(at) >= m.rebalance {
			return true
		}
	}
	return false
}

func (j *judge) request(now time.Time, before *group, f *fate, h holding, r Request, reply Reply) error {
	ok := reply.Err == nil
	switch r := r.(type) {
	case Join:
		j.hear(now, r.Member, ok)
		for id, m := range before.members {
			if r.Instance != "" && m.instance == r.Instance && id != r.Member {
				f.removed[id] = true
				h.end(ok, func(_ Assignment, by uuid.UUID) bool { return by == id })
			}
		}
	case Heartbeat:
		j.hear(now, r.Member, ok)
		for _, a := range r.Released {
			if h.perhaps[a] == r.Member {
				f.released[a] = r.Member
			}
			h.end(ok, func(b Assignment, by uuid.UUID) bool { return a == b && by == r.Member })
		}
	case Leave:
		if !ok {
			return nil
		}
		m := before.members[r.Member]
		j.hear(now, r.Member, m != nil && r.Returns && !m.away)
		for a, id := range h.perhaps {
			if id == r.Member {
				f.released[a] = id
			}
		}
		f.removed[r.Member] = f.removed[r.Member] || !r.Returns
		h.end(true, func(_ Assignment, by uuid.UUID) bool { return by == r.Member })
	case CommitOffsets:
		j.hear(now, r.Member, ok)
		for i, o := range r.Offsets {
			err := reply.Err
			if err == nil {
				err = reply.Commits[i]
			}
			switch {
			case err == nil && h.perhaps[o.Assignment] != r.Member:
				return fmt.Errorf("member %s, which does not have it, commits %v", r.Member, o)
			case err != nil && isAny(err, ErrFencedMember, ErrUnknownMember, ErrFencedInstance) && h.surely[o.Assignment] == r.Member:
				return fmt.Errorf("member %s, which has it, cannot commit %v: %w", r.Member, o, err)
			}
		}
	case ResetOffsets:
		for _, o := range r.Offsets {
			if ok {
				f.reset[o.Partition] = true
				h.end(true, func(a Assignment, _ uuid.UUID) bool { return a.Partition == o.Partition })
			}
		}
	case Delete:
		if ok && len(h.surely) > 0 {
			return fmt.Errorf("a group with %v was deleted", h.surely)
		}
		f.deleted = f.deleted || ok
	}
	return nil
}

// isAny says whether an error is of one of some kinds.
func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// told holds that a member is told what it has after the turn, and nothing else.
func (*judge) told(next *group, t *openTurn) error {
	after := assigned(next)
	for i, m := range t.messages {
		s := t.decision.Replies[i].Share
		if s == nil {
			continue
		}
		has := map[Assignment]bool{}
		for _, a := range s.Revoked {
			has[a] = true
		}
		for _, a := range s.Assigned {
			has[a.Assignment] = true
			from := int64(NoOffset)
			if c := next.offsets[a.Partition]; c != nil {
				from = c.offset
			}
			if a.Offset != from {
				return fmt.Errorf("member %s was told to begin %v at %d, %d is committed", m.member, a.Assignment, a.Offset, from)
			}
		}
		maps.DeleteFunc(has, func(a Assignment, _ bool) bool { return after[a] == m.member })
		if to := next.members[m.member]; len(has) > 0 || to == nil || s.Epoch != to.epoch || !slices.Equal(s.Topics, to.topics) {
			return fmt.Errorf("member %s was told %+v, of which it has not %v", m.member, s, has)
		}
	}
	return nil
}

// landed judges what a turn does, by what the processes really do.
func (j *judge) landed(before, next *group, t *openTurn, process func(uuid.UUID) *process) (moved int, err error) {
	f, after := t.fate, assigned(next)
	for a, id := range assigned(before) {
		if after[a] == id {
			continue
		}
		p := process(id)
		switch {
		case f.released[a] == id:
			if p != nil && p.running[a.Partition] != nil {
				return 0, fmt.Errorf("partition %v was taken from a process that works on it: %v", a, p)
			}
			moved++
		case f.removed[id], f.reset[a.Partition]:
			j.lost[a] = true
		default:
			return 0, fmt.Errorf("partition %v was taken from %s, which did nothing for it", a, id)
		}
	}
	for id := range before.members {
		if next.members[id] == nil && !f.removed[id] {
			return 0, fmt.Errorf("member %s was removed", id)
		}
	}
	if f.deleted {
		clear(j.offsets)
	}
	return moved, j.landedOffsets(t)
}

func (j *judge) landedOffsets(t *openTurn) error {
	for _, r := range t.decision.Records {
		k, err := parseKey(string(r.Key))
		if err != nil {
			return err
		}
		if k.kind != kindOffset {
			continue
		}
		at := Partition{k.id, k.part}
		free := t.fate.deleted || t.fate.reset[at]
		if r.Value == nil {
			if !free {
				return fmt.Errorf("the offset of %v was removed", at)
			}
			delete(j.offsets, at)
			continue
		}
		c, err := decodeCommitted(r.Value)
		if err != nil {
			return err
		}
		if c.offset < j.offsets[at] && !free {
			return fmt.Errorf("the offset of %v goes back from %d to %d", at, j.offsets[at], c.offset)
		}
		if a := (Assignment{at, c.epoch}); c.epoch != 0 && j.lost[a] && assigned(t.before)[a] == uuid.Nil {
			return fmt.Errorf("%v was committed after it was lost", a)
		}
		j.offsets[at] = c.offset
	}
	for i, m := range t.messages {
		r, ok := m.request.(CommitOffsets)
		for n, err := range t.decision.Replies[i].Commits {
			if a := r.Offsets[n].Assignment; ok && err == nil {
				if by, found := j.committers[a]; found && by != r.Member {
					return fmt.Errorf("%v has commits of %s and of %s", a, by, r.Member)
				}
				j.committers[a] = r.Member
			}
		}
	}
	return nil
}

// stored starts the timers of those that came, and of what has to be given up now.
func (j *judge) stored(now time.Time, before, next *group) {
	for id := range next.members {
		if before.members[id] == nil {
			j.hear(now, id, true)
		}
	}
	asked := map[Assignment]time.Time{}
	for a, id := range assigned(next) {
		if s := next.topics[a.Topic].slots[a.Partition.Partition]; id != uuid.Nil && s.leaving() {
			asked[a] = now
			if at, ok := j.asked[a]; ok {
				asked[a] = at
			}
		}
	}
	j.asked = asked
}

// restarted gives everybody its timeouts in full.
func (j *judge) restarted(now time.Time, g *group) {
	clear(j.asked)
	j.stored(now, newGroup(g.name), g)
}

// working holds at all times: a process works on what it has, or on what it has lost and does not know of. So no two members work on a partition
// without one of them being fenced.
func (j *judge) working(g *group, processes []*process) error {
	for _, p := range processes {
		for at, work := range p.running {
			m, t := g.members[p.id], g.topics[at.Topic]
			switch {
			case j.lost[Assignment{at, work.epoch}]:
			case m == nil || t == nil || t.slots[at.Partition].owner != m.number || t.slots[at.Partition].epoch != work.epoch:
				return fmt.Errorf("%v, which is not its: partition %v under epoch %d", p, at, work.epoch)
			}
		}
	}
	return nil
}
