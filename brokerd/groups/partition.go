package groups

import (
	"bytes"
	"cmp"

	"github.com/google/uuid"
)

// Partition is one partition of a topic.
type Partition struct {
	Topic     uuid.UUID
	Partition int32
}

func (p Partition) compare(q Partition) int {
	return cmp.Or(bytes.Compare(p.Topic[:], q.Topic[:]), cmp.Compare(p.Partition, q.Partition))
}

// Topic is a topic to which a member subscribes.
type Topic struct {
	ID         uuid.UUID
	Partitions int // which never changes
}

// Assignment is a partition as it was given to one member. The epoch is above that of every earlier assignment of the partition in a group of this
// name, and belongs to this one alone.
type Assignment struct {
	Partition
	Epoch uint64
}
