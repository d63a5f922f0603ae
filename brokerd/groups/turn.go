package groups

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// turn is what a group makes of the requests that wait: the changes, laid over the state that the log says. The state itself is changed by the
// records alone, once they are stored.
type turn struct {
	group *group // what the log says
	now   time.Time
	end   int64  // of the group's partition in the log
	spare int64  // bytes by which the coordinator may grow
	grown int64  // bytes by which it does, about
	epoch uint64 // of this transition, if it is one

	stored   bool // the group is there
	fresh    bool // it was made in this turn
	full     bool // there is no room for another one
	numbers  uint64
	offsets  int // that there are
	slots    int // that there are
	retarget bool

	members map[uuid.UUID]*member // changed; nil: gone
	topics  map[uuid.UUID]*topic
	commits map[Partition]*committed

	replies []Reply
	asks    []ask
	changed []uuid.UUID
	expired []Expired
}

func (c *Coordinator) turn(g *group, now time.Time) *turn {
	t := &turn{
		group: g, now: now, end: c.end, spare: c.limits.BytesMax - c.bytes - c.taken, epoch: g.epoch + 1,
		stored: g.stored, full: !g.stored && len(c.groups) >= c.limits.GroupsMax, numbers: g.numbers, offsets: len(g.offsets),
		members: map[uuid.UUID]*member{}, topics: map[uuid.UUID]*topic{}, commits: map[Partition]*committed{},
	}
	for _, topic := range g.topics {
		t.slots += len(topic.slots)
	}
	return t
}

// create makes the group, unless it is there. Its epochs go on where the log ends. No earlier group of the name had a higher one: it began at the
// end of the log as well, and each of its epochs took a record.
func (t *turn) create() {
	if !t.stored {
		t.stored, t.fresh, t.numbers, t.epoch = true, true, 0, max(t.epoch, uint64(t.end)+1)
	}
}

// refuseGroup refuses a new group when there are too many.
func (t *turn) refuseGroup() error {
	if t.stored || !t.full {
		return nil
	}
	return t.refuse(ErrLimit, "there are as many groups as there may be: delete some, or raise the limit")
}

func (t *turn) refuse(kind error, format string, args ...any) error {
	return &RefusedError{Kind: kind, Group: t.group.name, Reason: fmt.Sprintf(format, args...)}
}

// grow takes room for so many more bytes.
func (t *turn) grow(bytes int) error {
	if bytes > 0 && t.grown+int64(bytes) > t.spare {
		return t.refuseBytes()
	}
	t.grown += int64(bytes)
	return nil
}

func (t *turn) refuseBytes() error {
	return t.refuse(ErrLimit, "it and the groups beside it hold as many bytes as they may: delete groups, commit less metadata, or raise the limit")
}

// finish draws what follows from the requests: targets, assignments, epochs. It answers the records, by key.
func (t *turn) finish() []Record {
	if t.retarget {
		t.aim()
	}
	if t.moved() {
		t.reconcile()
		t.sweep()
		t.advance()
	}
	return t.records()
}

// moved says whether members or assignments change. Offsets alone are no transition of the group.
func (t *turn) moved() bool { return len(t.members)+len(t.topics) > 0 }

// reconcile gives partitions that nobody has to the members that should have them.
func (t *turn) reconcile() {
	byNumber := map[uint64]*member{}
	for _, m := range t.everyone() {
		byNumber[m.number] = m
	}
	for _, topic := range t.allTopics() {
		for p := range topic.slots {
			s := &topic.slots[p]
			if s.owner != 0 || s.target == 0 || byNumber[s.target].away {
				continue
			}
			topic = t.editTopic(topic)
			s = &topic.slots[p]
			s.owner, s.epoch = s.target, t.epoch
		}
	}
}

// sweep drops topics that concern no member any more.
func (t *turn) sweep() {
	for _, topic := range t.allTopics() {
		if !slices.ContainsFunc(topic.slots, func(s slot) bool { return s.owner != 0 || s.target != 0 }) {
			t.topics[topic.id] = nil
		}
	}
}

// advance moves the members whose share changed to the epoch of this transition. Those whose topics changed are there already.
func (t *turn) advance() {
	moved := map[uint64]bool{}
	for id, topic := range t.topics {
		var before, after []slot
		if old := t.group.topics[id]; old != nil {
			before = old.slots
		}
		if topic != nil {
			after = topic.slots
		}
		for p := range max(len(before), len(after)) {
			var old, now slot
			if p < len(before) {
				old = before[p]
			}
			if p < len(after) {
				now = after[p]
			}
			if old.owner != now.owner || old.epoch != now.epoch || old.leaving() != now.leaving() {
				moved[old.owner], moved[now.owner] = true, true
			}
		}
	}
	for _, m := range t.everyone() {
		if moved[m.number] || m.epoch == t.epoch {
			t.edit(m).epoch = t.epoch
			t.changed = append(t.changed, m.id)
		}
	}
}
