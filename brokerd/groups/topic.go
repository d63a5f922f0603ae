package groups

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// topic says of each partition of a topic which member has it, and which should. A turn changes a copy.
type topic struct {
	id    uuid.UUID
	slots []slot // by partition

	size int // of its record
}

// slot is one partition. Members are named by their numbers.
type slot struct {
	target uint64 // the member that the partition should go to, 0: none
	owner  uint64 // the member that has it, 0: none
	epoch  uint64 // of the assignment to the owner, 0: there is none

	asked time.Time // a timer: when the owner was asked to give it up
}

// leaving says whether the owner has to give the partition up.
func (s *slot) leaving() bool { return s.owner != 0 && s.owner != s.target }

// The value of a topic's record: the number of partitions, and of each its target, its owner and, if it has one, the assignment's epoch.
func (t *topic) encode() []byte {
	b := binary.AppendUvarint([]byte{format}, uint64(len(t.slots)))
	for _, s := range t.slots {
		b = binary.AppendUvarint(b, s.target)
		b = binary.AppendUvarint(b, s.owner)
		if s.owner != 0 {
			b = binary.AppendUvarint(b, s.epoch)
		}
	}
	return b
}

func decodeTopic(id uuid.UUID, b []byte) (*topic, error) {
	d := decode("topic", b)
	t := &topic{id: id, slots: make([]slot, d.count("partitions", PartitionsMax, 2))}
	if len(t.slots) == 0 {
		d.fail("partitions", "there are none")
	}
	for i := range t.slots {
		s := &t.slots[i]
		s.target, s.owner = d.uvarint("target", epochMax), d.uvarint("owner", epochMax)
		if s.owner == 0 {
			continue
		}
		if s.epoch = d.uvarint("epoch", epochMax); s.epoch == 0 {
			d.fail("epoch", "0 is no assignment's")
		}
	}
	return t, d.end()
}

// applyTopic lets a partition that was asked back from the same assignment before go on from then.
func (g *group) applyTopic(id uuid.UUID, value []byte, size int) (grown int, err error) {
	old := g.topics[id]
	if old != nil {
		grown = -old.size
	}
	if value == nil {
		delete(g.topics, id)
		return grown, nil
	}
	t, err := decodeTopic(id, value)
	if err != nil {
		return 0, err
	}
	if old != nil {
		for i := range min(len(t.slots), len(old.slots)) {
			if s, o := &t.slots[i], &old.slots[i]; s.leaving() && s.owner == o.owner && s.epoch == o.epoch {
				s.asked = o.asked
			}
		}
	}
	t.size = size
	g.topics[id] = t
	return grown + size, nil
}
