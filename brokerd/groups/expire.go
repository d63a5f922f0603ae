package groups

import "github.com/google/uuid"

// Expired is a member that was taken for dead.
type Expired struct {
	Member   uuid.UUID
	Instance string
	Silent   bool // it was not heard for its session timeout; otherwise it did not give up a partition within its rebalance timeout
}

// expire takes members for dead that were not heard for their session timeout, or that hold on to a partition beyond their rebalance timeout. All
// of them go in one transition: what a dead member had must not be given to another one.
func (t *turn) expire() {
	if first := t.group.deadline(); first.IsZero() || first.After(t.now) {
		return
	}
	for _, m := range t.everyone() {
		stored := t.group.members[m.id]
		if stored == nil {
			continue // it has just come
		}
		silent := !stored.heard.Add(stored.session).After(t.now)
		if !silent && !t.late(stored) {
			continue
		}
		t.remove(m)
		t.expired = append(t.expired, Expired{Member: m.id, Instance: m.instance, Silent: silent})
	}
}

// late says whether a member has not given up a partition in time. What it released in this turn it has.
func (t *turn) late(m *member) bool {
	if m.asked.IsZero() || m.asked.Add(m.rebalance).After(t.now) {
		return false
	}
	for _, topic := range t.allTopics() {
		for p := range topic.slots {
			if s := &topic.slots[p]; s.owner == m.number && s.leaving() && !s.asked.IsZero() && !s.asked.Add(m.rebalance).After(t.now) {
				return true
			}
		}
	}
	return false
}
