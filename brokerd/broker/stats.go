package broker

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
)

// Stats is what a node is and has at a moment.
type Stats struct {
	Ready bool // it can store, and all its shards serve

	// Sizes in bytes; 0 where they cannot be learned at the moment, as while the store is restarted.
	Store, StoreMax       int64 // of the log, and what it may take
	LogFree, LogTotal     int64 // of the volume that holds the log
	CacheFree, CacheTotal int64 // of the volume that holds segments and indexes

	Shards []ShardStats // by topic and number
	Groups []GroupStats // by name: those that this node coordinates
}

// GroupStats is a consumer group at a moment.
type GroupStats struct {
	Name    string
	Members int
	Epoch   uint64 // counts the changes of members and assignments
	Offsets []GroupOffsetStats
}

// GroupOffsetStats is a partition of which a group has committed an offset, where this node has a copy of it.
type GroupOffsetStats struct {
	Topic     string
	Partition int32
	Lag       int64 // records behind the committed offset
}

// ShardStats is a shard at a moment. What is counted begins anew when the shard is opened again.
type ShardStats struct {
	Topic   string // "$catalogue" for the node's own
	Shard   int
	Serving bool
	Epoch   uint64

	Appends, Events                uint64 // stored
	Frames, VoidFrames, Barriers   uint64
	LogBytes, QueueBytes, LagBytes int64
	Partitions                     []PartitionStats
}

// PartitionStats is a partition at a moment.
type PartitionStats struct{ Partition, Start, End int64 }

// catalogueName is what the node's own topic is called where it is shown beside the others: no name of a topic may be so.
const catalogueName = "$catalogue"

// Stats measures. It costs a look at each shard, and a question to the engine. A node that is starting or stopping has none.
func (b *Broker) Stats(ctx context.Context) Stats {
	if stage(b.stage.Load()) != serving {
		return Stats{}
	}
	st := Stats{Ready: len(b.Problems()) == 0}
	usage, err := b.engine.Usage()
	if err == nil {
		st.Store, st.StoreMax, st.LogFree, st.LogTotal = usage.Store, usage.StoreMax, usage.Volume.Free, usage.Volume.Total
	}
	if v, err := engine.MeasureVolume(filepath.Join(b.dir, "shards")); err == nil {
		st.CacheFree, st.CacheTotal = v.Free, v.Total
	}
	for _, k := range b.shards.all() {
		one := k.stats()
		one.LogBytes = usage.Streams[k.stream]
		st.Shards = append(st.Shards, one)
	}
	st.Groups = b.groupStats(ctx)
	return st
}

// groupsMax bounds the time that groups take to be measured.
const groupsMax = time.Second

func (b *Broker) groupStats(ctx context.Context) (all []GroupStats) {
	ctx, cancel := context.WithTimeout(ctx, groupsMax)
	defer cancel()
	for _, g := range b.shards.groups.measure(ctx) {
		one := GroupStats{Name: g.Name, Members: g.Size, Epoch: g.Epoch}
		for _, o := range g.Offsets {
			for _, k := range b.shards.of(o.Topic) {
				slot, ok := k.layout.Slot(o.Partition)
				if st := k.current().Status(); ok && slot < len(st.Next) {
					one.Offsets = append(one.Offsets, GroupOffsetStats{Topic: k.topic, Partition: o.Partition, Lag: max(st.Next[slot]-o.Offset, 0)})
				}
			}
		}
		all = append(all, one)
	}
	return all
}

func (k *keeper) stats() ShardStats {
	sh := k.current()
	st, backlog := sh.Status(), sh.Backlog()
	s := ShardStats{
		Topic: k.topic, Shard: k.number, Serving: st.Phase == shard.Serving, Epoch: st.Epoch,
		Appends: st.Stats.Appends, Events: st.Stats.Events, Frames: st.Stats.Frames, VoidFrames: st.Stats.Void, Barriers: st.Stats.Barriers,
		QueueBytes: int64(backlog.Queue), LagBytes: int64(backlog.Lag),
	}
	for slot, next := range st.Next {
		s.Partitions = append(s.Partitions, PartitionStats{Partition: int64(k.layout.Partition(slot)), Start: st.Starts[slot], End: next})
	}
	return s
}

// all are the shards of the node, by topic and number.
func (s *shards) all() []*keeper {
	s.mu.Lock()
	var all []*keeper
	for _, of := range s.topics {
		all = append(all, of...)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *keeper) int { return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number)) })
	return all
}
