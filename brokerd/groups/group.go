package groups

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// group is what the log says of a group. Only apply changes it, and the timers of members and slots.
type group struct {
	name    string
	stored  bool   // its own record is there
	epoch   uint64 // counts the transitions of members and assignments
	numbers uint64 // given to members so far
	members map[uuid.UUID]*member
	topics  map[uuid.UUID]*topic
	offsets map[Partition]*committed

	size int  // of its own record
	busy bool // a turn waits for its records to be stored
}

func newGroup(name string) *group {
	return &group{name: name, members: map[uuid.UUID]*member{}, topics: map[uuid.UUID]*topic{}, offsets: map[Partition]*committed{}}
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// vacant says that nothing is left of the group.
func (g *group) vacant() bool {
	return !g.stored && !g.busy && len(g.members) == 0 && len(g.topics) == 0 && len(g.offsets) == 0
}

// apply takes one record in; a nil value is a deletion. It answers by how much the group grew.
func (g *group) apply(k key, value []byte) (grown int, err error) {
	size := 0
	if value != nil {
		size = len(k.String()) + len(value)
	}
	switch k.kind {
	case kindGroup:
		return g.applySelf(value, size)
	case kindMember:
		return g.applyMember(k.id, value, size)
	case kindTopic:
		return g.applyTopic(k.id, value, size)
	default:
		return g.applyOffset(Partition{k.id, k.part}, value, size)
	}
}

// The value of a group's own record: its epoch, and how many numbers were given to members.
func encodeGroup(epoch, numbers uint64) []byte {
	b := binary.AppendUvarint([]byte{format}, epoch)
	return binary.AppendUvarint(b, numbers)
}

func decodeGroup(b []byte) (epoch, numbers uint64, err error) {
	d := decode("group", b)
	epoch, numbers = d.uvarint("epoch", epochMax), d.uvarint("numbers", epochMax)
	if epoch == 0 {
		d.fail("epoch", "epochs count from 1")
	}
	return epoch, numbers, d.end()
}

func (g *group) applySelf(value []byte, size int) (grown int, err error) {
	grown = size - g.size
	if value == nil {
		g.stored, g.epoch, g.numbers, g.size = false, 0, 0, 0
		return grown, nil
	}
	epoch, numbers, err := decodeGroup(value)
	if err != nil {
		return 0, err
	}
	g.stored, g.epoch, g.numbers, g.size = true, epoch, numbers, size
	return grown, nil
}

// settle starts timers after members or assignments changed. Those of slots have stopped with the records that were replaced.
func (g *group) settle(now time.Time) {
	byNumber := make(map[uint64]*member, len(g.members))
	for _, m := range g.members {
		byNumber[m.number] = m
		m.asked = time.Time{}
		if m.heard.IsZero() {
			m.heard = now
		}
	}
	for _, t := range g.topics {
		for i := range t.slots {
			s := &t.slots[i]
			if !s.leaving() {
				continue
			}
			if s.asked.IsZero() {
				s.asked = now
			}
			if m := byNumber[s.owner]; m.asked.IsZero() || s.asked.Before(m.asked) {
				m.asked = s.asked
			}
		}
	}
}

// restart gives every member its timeouts in full.
func (g *group) restart(now time.Time) {
	for _, m := range g.members {
		m.heard = now
	}
	for _, t := range g.topics {
		for i := range t.slots {
			t.slots[i].asked = time.Time{}
		}
	}
	g.settle(now)
}

// deadline is when the first member is taken for dead unless it is heard, zero when there is none.
func (g *group) deadline() (first time.Time) {
	for _, m := range g.members {
		if at := m.deadline(); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// bySeniority lists members by their numbers.
func bySeniority(members iter.Seq[*member]) []*member {
	return slices.SortedFunc(members, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
}

// sortedTopics lists the topics by their ids.
func (g *group) sortedTopics() []*topic {
	return slices.SortedFunc(maps.Values(g.topics), func(a, b *topic) int { return compareIDs(a.id, b.id) })
}

// check says what contradicts in a group that was replayed. A record of each kind can be read by itself: this is about what they say of each other.
func (g *group) check() error {
	corrupt := func(format string, args ...any) error {
		return &RefusedError{Kind: ErrCorrupt, Group: g.name, Reason: fmt.Sprintf(format, args...)}
	}
	if !g.stored {
		return corrupt("it has %d members, %d topics and %d offsets, and no record of its own", len(g.members), len(g.topics), len(g.offsets))
	}
	numbers, instances := map[uint64]*member{}, map[string]uuid.UUID{}
	wanted := map[uuid.UUID]bool{}
	for _, m := range bySeniority(maps.Values(g.members)) {
		other, twice := instances[m.instance]
		switch {
		case m.number == 0 || m.number > g.numbers:
			return corrupt("member %s has the number %d of %d", m.id, m.number, g.numbers)
		case numbers[m.number] != nil:
			return corrupt("members %s and %s have the number %d", numbers[m.number].id, m.id, m.number)
		case twice && m.instance != "":
			return corrupt("members %s and %s are the instance %q", other, m.id, m.instance)
		case m.epoch == 0 || m.epoch > g.epoch:
			return corrupt("member %s is at epoch %d, the group at %d", m.id, m.epoch, g.epoch)
		}
		numbers[m.number], instances[m.instance] = m, m.id
		for _, id := range m.topics {
			wanted[id] = true
			if g.topics[id] == nil {
				return corrupt("member %s subscribes to topic %s, of which there is no record", m.id, id)
			}
		}
	}
	for _, t := range g.topics {
		used := wanted[t.id]
		for p := range t.slots {
			s := &t.slots[p]
			used = used || s.owner != 0
			if (s.owner != 0 && numbers[s.owner] == nil) || (s.target != 0 && numbers[s.target] == nil) {
				return corrupt("partition %d of topic %s belongs to member %d and should to %d, which are not there", p, t.id, s.owner, s.target)
			}
			if s.target != 0 && !numbers[s.target].subscribes(t.id) {
				return corrupt("partition %d of topic %s should go to member %d, which does not subscribe to it", p, t.id, s.target)
			}
			if s.epoch > g.epoch {
				return corrupt("partition %d of topic %s is assigned under epoch %d, the group is at %d", p, t.id, s.epoch, g.epoch)
			}
		}
		if !used {
			return corrupt("topic %s concerns no member", t.id)
		}
	}
	return nil
}
