package commitlog

import (
	"context"
	"sync"

	"github.com/strandlog/strand/internal/wire"
)

// Assignment is a partition as it was given to this member of a group.
type Assignment struct {
	Topic     Topic
	Partition int32
	Epoch     uint64 // above that of every earlier assignment of the partition in the group, for ever: sinks fence by it
	Offset    int64  // of the next record, as the group committed it; NoOffset: nothing is committed

	end context.CancelFunc
	ctx context.Context //nolint:containedctx // it tells whether end was called
	err error           // what the work returned; read after it has ended

	// Of the member's goroutine.
	committed int64
	sequence  uint64

	mu    sync.Mutex
	next  int64 // up to which it was processed
	epoch uint64
}

// Processed says that everything before an offset has been processed: soon the group commits that it goes on there. The epoch is that of the record
// before. It never goes back.
func (a *Assignment) Processed(next int64, epoch uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if next > a.next {
		a.next, a.epoch = next, epoch
	}
}

func (a *Assignment) key() wire.GroupPartition {
	return wire.GroupPartition{Topic: a.Topic.ID, Partition: a.Partition}
}

// gone says whether the partition was taken away.
func (a *Assignment) gone() bool { return a.ctx.Err() != nil }

// commit is what is to be committed, false: nothing new.
func (a *Assignment) commit() (wire.GroupCommitOffset, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next <= a.committed {
		return wire.GroupCommitOffset{}, false
	}
	a.sequence++
	return wire.GroupCommitOffset{
		GroupAssignment: wire.GroupAssignment{GroupPartition: a.key(), Epoch: a.Epoch}, Sequence: a.sequence, Offset: a.next, LeaderEpoch: a.epoch,
	}, true
}
