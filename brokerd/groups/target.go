package groups

import (
	"slices"

	"github.com/google/uuid"
)

// aim draws the targets of all partitions anew, after members came, went or changed their subscriptions.
func (t *turn) aim() {
	topics, members := t.allTopics(), t.everyone()
	places := make(map[uuid.UUID]int, len(topics))
	for i, topic := range topics {
		places[topic.id] = i
	}
	byNumber := make(map[uint64]int, len(members))
	subscriptions := make([][]int, len(members))
	for i, m := range members {
		byNumber[m.number] = i
		for _, id := range m.topics {
			subscriptions[i] = append(subscriptions[i], places[id])
		}
	}
	find := func(number uint64) int {
		if i, ok := byNumber[number]; ok {
			return i
		}
		return nobody
	}
	owners, targets := make([][]int, len(topics)), make([][]int, len(topics))
	for i, topic := range topics {
		owners[i], targets[i] = make([]int, len(topic.slots)), make([]int, len(topic.slots))
		for p := range topic.slots {
			owners[i][p], targets[i][p] = find(topic.slots[p].owner), find(topic.slots[p].target)
		}
	}
	assign(subscriptions, owners, targets)
	for i, topic := range topics {
		for p, m := range targets[i] {
			number := uint64(0)
			if m != nobody {
				number = members[m].number
			}
			if topic.slots[p].target != number {
				topic = t.editTopic(topic)
				topic.slots[p].target = number
			}
		}
	}
}

// without copies ids that lack one.
func without(ids []uuid.UUID, id uuid.UUID) []uuid.UUID {
	return slices.DeleteFunc(slices.Clone(ids), func(other uuid.UUID) bool { return other == id })
}
