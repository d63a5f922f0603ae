package groups

import (
	"slices"

	"github.com/google/uuid"
)

// What follows looks through a turn at the state beneath it, and lays changes over that.

// member looks a member up. It must not be changed: see edit.
func (t *turn) member(id uuid.UUID) *member {
	if m, changed := t.members[id]; changed {
		return m
	}
	return t.group.members[id]
}

// edit makes a member that can be changed.
func (t *turn) edit(m *member) *member {
	if t.members[m.id] == m {
		return m
	}
	changed := *m
	t.members[m.id] = &changed
	return &changed
}

// remove takes a member out of the group. What it had is nobody's.
func (t *turn) remove(m *member) {
	t.members[m.id] = nil
	t.release(m.number)
	t.retarget = true
}

// everyone lists the members by seniority.
func (t *turn) everyone() []*member {
	return bySeniority(func(yield func(*member) bool) {
		for id, m := range t.group.members {
			if _, changed := t.members[id]; !changed && !yield(m) {
				return
			}
		}
		for _, m := range t.members {
			if m != nil && !yield(m) {
				return
			}
		}
	})
}

func (t *turn) count() int {
	n := len(t.group.members)
	for id, m := range t.members {
		before := t.group.members[id] != nil
		switch {
		case m != nil && !before:
			n++
		case m == nil && before:
			n--
		}
	}
	return n
}

// instance finds the member that has an instance's name.
func (t *turn) instance(name string) *member {
	if name == "" {
		return nil
	}
	for _, m := range t.everyone() {
		if m.instance == name {
			return m
		}
	}
	return nil
}

// present finds a member that sends a request.
func (t *turn) present(id uuid.UUID, instance string) (*member, error) {
	m := t.member(id)
	switch {
	case m == nil:
		if other := t.instance(instance); other != nil {
			return nil, t.refuse(ErrFencedInstance, "instance %q is member %s: member %s has to stop, and two processes need two instance names", instance, other.id, id)
		}
		return nil, t.refuse(ErrUnknownMember, "member %s is not there: it has to stop everything and join under a new id", id)
	case m.instance != instance:
		return nil, t.refuse(ErrInvalid, "member %s joined as instance %q, the request says %q", id, m.instance, instance)
	case m.away:
		return nil, t.refuse(ErrFencedMember, "member %s left until its instance %q comes back under a new id", id, instance)
	}
	return m, nil
}

// hear restarts a member's session.
func (t *turn) hear(m *member) {
	if stored := t.group.members[m.id]; stored != nil {
		stored.heard = t.now
	}
}

// topic looks a topic up. It must not be changed: see editTopic.
func (t *turn) topic(id uuid.UUID) *topic {
	if topic, changed := t.topics[id]; changed {
		return topic
	}
	return t.group.topics[id]
}

func (t *turn) editTopic(old *topic) *topic {
	if t.topics[old.id] == old {
		return old
	}
	changed := &topic{id: old.id, slots: slices.Clone(old.slots)}
	t.topics[old.id] = changed
	return changed
}

// allTopics lists the topics by their ids.
func (t *turn) allTopics() []*topic {
	all := make([]*topic, 0, len(t.group.topics)+len(t.topics))
	for id := range t.group.topics {
		if topic := t.topic(id); topic != nil {
			all = append(all, topic)
		}
	}
	for id, topic := range t.topics {
		if topic != nil && t.group.topics[id] == nil {
			all = append(all, topic)
		}
	}
	slices.SortFunc(all, func(a, b *topic) int { return compareIDs(a.id, b.id) })
	return all
}

// slot finds a partition of a topic that somebody subscribes to or still has partitions of.
func (t *turn) slot(p Partition) *slot {
	topic := t.topic(p.Topic)
	if topic == nil || p.Partition < 0 || int(p.Partition) >= len(topic.slots) {
		return nil
	}
	return &topic.slots[p.Partition]
}

// editSlot makes a slot that can be changed, of a partition that is there.
func (t *turn) editSlot(p Partition) *slot {
	return &t.editTopic(t.topic(p.Topic)).slots[p.Partition]
}

// release takes all partitions from a member.
func (t *turn) release(number uint64) {
	for _, topic := range t.allTopics() {
		for p := range topic.slots {
			if topic.slots[p].owner == number {
				topic = t.editTopic(topic)
				topic.slots[p].owner, topic.slots[p].epoch = 0, 0
			}
		}
	}
}

// offset is the committed offset of a partition, nil when there is none.
func (t *turn) offset(p Partition) *committed {
	if c, changed := t.commits[p]; changed {
		return c
	}
	return t.group.offsets[p]
}

// setOffset replaces a committed offset; nil removes it.
func (t *turn) setOffset(p Partition, c *committed) error {
	old := t.offset(p)
	switch {
	case c == nil && old != nil:
		t.offsets--
	case c != nil && old == nil:
		if t.offsets >= PartitionsMax {
			return t.refuse(ErrLimit, "it has offsets of %d partitions, at most %d are possible: reset those that are not needed to none", t.offsets, PartitionsMax)
		}
		if err := t.grow(offsetBytes + len(c.metadata)); err != nil {
			return err
		}
		t.offsets++
	case c != nil:
		if err := t.grow(len(c.metadata) - len(old.metadata)); err != nil {
			return err
		}
	}
	t.commits[p] = c
	return nil
}
