package shard

import "github.com/strandlog/strand/internal/wire"

// Layout says which of a topic's partitions belong to a shard. A slot is a partition's place among them.
type Layout struct {
	Shard, Shards, Partitions int
}

// Len is the number of partitions of the shard.
func (l Layout) Len() int { return (l.Partitions - l.Shard + l.Shards - 1) / l.Shards }

// Slot returns the slot of a partition, and false when the partition is not of this shard.
func (l Layout) Slot(partition int32) (int, bool) {
	if partition < 0 || int(partition) >= l.Partitions || wire.ShardOf(partition, l.Shards) != l.Shard {
		return 0, false
	}
	return int(partition) / l.Shards, true
}

// Partition is the partition at a slot.
func (l Layout) Partition(slot int) int32 { return int32(slot*l.Shards + l.Shard) }
