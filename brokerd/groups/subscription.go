package groups

import (
	"slices"

	"github.com/google/uuid"
)

// checkTopics refuses topics to which a member cannot subscribe.
func (t *turn) checkTopics(topics []Topic) error {
	if len(topics) > TopicsMax {
		return t.refuse(ErrInvalid, "a member subscribes to at most %d topics, not to %d", TopicsMax, len(topics))
	}
	slots, grown := t.slots, t.grown
	for i, topic := range topics {
		known := t.topic(topic.ID)
		switch {
		case topic.ID == uuid.Nil:
			return t.refuse(ErrInvalid, "a topic needs an id")
		case slices.ContainsFunc(topics[:i], func(other Topic) bool { return other.ID == topic.ID }):
			return t.refuse(ErrInvalid, "topic %s is named twice", topic.ID)
		case topic.Partitions < 1:
			return t.refuse(ErrInvalid, "topic %s has %d partitions", topic.ID, topic.Partitions)
		case known != nil && len(known.slots) != topic.Partitions:
			return t.refuse(ErrInvalid, "topic %s has %d partitions, not %d", topic.ID, len(known.slots), topic.Partitions)
		case known != nil:
			continue
		case topic.Partitions > PartitionsMax-slots:
			return t.refuse(ErrLimit, "its topics have more than %d partitions with topic %s: use several groups", PartitionsMax, topic.ID)
		}
		slots += topic.Partitions
		if grown += int64(topicBytes + topic.Partitions*slotBytes); grown > t.spare {
			return t.refuseBytes()
		}
	}
	return nil
}

// subscribe sets the topics to which a member subscribes. They have been checked.
func (t *turn) subscribe(m *member, topics []Topic) {
	ids := make([]uuid.UUID, len(topics))
	for i, topic := range topics {
		ids[i] = topic.ID
		if t.topic(topic.ID) == nil {
			t.topics[topic.ID] = newTopic(topic)
			t.slots += topic.Partitions
			t.grown += int64(topicBytes + topic.Partitions*slotBytes)
		}
	}
	slices.SortFunc(ids, compareIDs)
	if !slices.Equal(ids, m.topics) {
		t.setTopics(m, ids)
	}
}

// setTopics moves the member to the epoch of this transition, also when its partitions stay: so it is told, and what was sent before is known as old.
func (t *turn) setTopics(m *member, ids []uuid.UUID) {
	m = t.edit(m)
	m.topics, m.epoch = ids, t.epoch
	t.retarget = true
}

func newTopic(t Topic) *topic { return &topic{id: t.ID, slots: make([]slot, t.Partitions)} }
