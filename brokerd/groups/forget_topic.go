package groups

import "github.com/google/uuid"

// ForgetTopic removes what a group holds of a topic that was deleted, whose id never comes again: subscriptions, assignments and offsets.
type ForgetTopic struct{ Topic uuid.UUID }

func (f ForgetTopic) bytes(g *group) int {
	n := groupBytes + len(g.members)*memberBytes
	for p := range g.offsets {
		if p.Topic == f.Topic {
			n += offsetBytes
		}
	}
	return n
}

func (f ForgetTopic) decide(t *turn) Reply {
	if topic := t.topic(f.Topic); topic != nil {
		t.topics[f.Topic] = nil
		t.slots -= len(topic.slots)
	}
	for _, m := range t.everyone() {
		if m.subscribes(f.Topic) {
			t.setTopics(m, without(m.topics, f.Topic))
		}
	}
	for _, p := range t.offsetsOf(f.Topic) {
		_ = t.setOffset(p, nil) // that takes no room
	}
	return Reply{}
}

// offsetsOf lists the partitions of a topic with committed offsets.
func (t *turn) offsetsOf(topic uuid.UUID) (all []Partition) {
	for p := range t.group.offsets {
		if p.Topic == topic {
			all = append(all, p)
		}
	}
	for p := range t.commits {
		if p.Topic == topic {
			all = append(all, p)
		}
	}
	return all
}
