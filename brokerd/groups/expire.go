package groups

// expire takes members for dead that were not heard for their session timeout, or that hold on to a partition beyond their rebalance timeout. All
// of them go in one transition: what a dead member had must not be given to another one.
func (t *turn) expire() {
	for _, m := range t.everyone() {
		stored := t.group.members[m.id]
		if stored == nil || stored.deadline().After(t.now) {
			continue
		}
		silent := !stored.heard.Add(stored.session).After(t.now)
		t.remove(m)
		t.expired = append(t.expired, Expired{Member: m.id, Instance: m.instance, Silent: silent})
	}
}
