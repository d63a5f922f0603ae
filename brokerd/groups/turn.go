package groups

import (
	"cmp"
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
		stored: g.stored, full: len(c.groups) >= c.limits.GroupsMax, numbers: g.numbers, offsets: len(g.offsets),
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

// advance moves the members whose share changed to the epoch of this transition.
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
		if moved[m.number] || m.epoch == 0 {
			t.edit(m).epoch = t.epoch
			t.changed = append(t.changed, m.id)
		}
	}
}

// records encodes what changed.
func (t *turn) records() []Record {
	type row struct {
		key   key
		value []byte
	}
	var rows []row
	name := t.group.name
	switch {
	case t.stored && (t.fresh || t.moved()):
		rows = append(rows, row{key{group: name}, encodeGroup(t.epoch, t.numbers)})
	case !t.stored && t.group.stored:
		rows = append(rows, row{key{group: name}, nil})
	}
	for id, m := range t.members {
		k := key{group: name, kind: kindMember, id: id}
		if m != nil {
			rows = append(rows, row{k, m.encode()})
		} else if t.group.members[id] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	for id, topic := range t.topics {
		k := key{group: name, kind: kindTopic, id: id}
		if topic != nil {
			rows = append(rows, row{k, topic.encode()})
		} else if t.group.topics[id] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	for p, c := range t.commits {
		k := key{group: name, kind: kindOffset, id: p.Topic, part: p.Partition}
		if c != nil {
			rows = append(rows, row{k, c.encode()})
		} else if t.group.offsets[p] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.key.kind, b.key.kind), Partition{a.key.id, a.key.part}.compare(Partition{b.key.id, b.key.part}))
	})
	records := make([]Record, len(rows))
	for i, r := range rows {
		records[i] = Record{Key: []byte(r.key.String()), Value: r.value}
	}
	return records
}

// share is what a member has, and has to give up.
func (t *turn) share(m *member) *Share {
	s := &Share{Epoch: m.epoch, SessionTimeout: m.session, RebalanceTimeout: m.rebalance}
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
