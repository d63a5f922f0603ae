package projections

import (
	"context"
	"fmt"
	"time"
)

// Admin looks at the projections of one place from outside, and steers them: what operators do. Every sink that others can see has one. Except for List,
// a projection version that the place does not know is refused with [ErrUnknownProjection].
type Admin interface {
	// List shows all projection versions, by name and version.
	List(ctx context.Context) ([]Overview, error)

	// Pause has a projection version commit nothing until Resume: when it returns, no commit is under way. Workers stay, and try again every few seconds.
	Pause(ctx context.Context, p ID) error

	// Resume ends what Pause began. Workers go on within some five seconds.
	Resume(ctx context.Context, p ID) error

	// SetCheckpoints has partitions go on at other offsets: further back, and what lies between has its effects again; further on, and it never has any.
	// What is in the read model stays. Workers are fenced, and begin anew there with their next commit. Whoever wants a read model that is right makes it
	// again, from the start: see [Rebuild]. A partition that no worker has claimed is refused, and then none is changed.
	SetCheckpoints(ctx context.Context, p ID, next map[int32]int64) error

	// Parked lists the events that were set aside, by partition and offset.
	Parked(ctx context.Context, p ID) ([]ParkedEvent, error)

	// Retry asks for another attempt at the events of a stream that wait, and says how many do. The worker that has their partition makes it, in order,
	// within a second or so.
	Retry(ctx context.Context, p ID, stream string) (events int64, err error)

	// Drop forgets the events of a stream that were set aside, and says how many there were: they never have their effect. The next ones of the stream do.
	Drop(ctx context.Context, p ID, stream string) (events int64, err error)
}

// Overview is what a place knows of a projection version.
type Overview struct {
	ID         ID
	Source     Source // zero: no worker has claimed a partition yet
	Live       bool   // readers see it, where they see one version at a time
	Paused     bool
	Created    time.Time
	Partitions []PartitionOverview // those that a worker has claimed at some time, in order

	Waiting int64 // events that were set aside, and those that wait behind them
	Skipped int64 // events that were set aside for the record
}

// PartitionOverview is how far a partition is projected.
type PartitionOverview struct {
	Partition int32
	Next      int64  // the effects of all records below it are there
	Epoch     uint64 // of its owner's assignment
	Updated   time.Time
}

// UnknownProjectionError says that no worker has run a projection version where it was looked for, or none has claimed that partition.
type UnknownProjectionError struct {
	Projection ID
	Partition  int32 // -1: all
}

func (e *UnknownProjectionError) Error() string {
	if e.Partition < 0 {
		return fmt.Sprintf("projections: no worker has run %s here", e.Projection)
	}
	return fmt.Sprintf("projections: no worker has claimed partition %d of %s here", e.Partition, e.Projection)
}

// Is reports whether target is ErrUnknownProjection.
func (e *UnknownProjectionError) Is(target error) bool { return target == ErrUnknownProjection }

// CheckOffsets is for implementations of SetCheckpoints: it refuses what is no offset.
func CheckOffsets(next map[int32]int64) error {
	for partition, offset := range next {
		if offset < 0 {
			return fmt.Errorf("projections: a checkpoint of partition %d at offset %d: offsets are not negative", partition, offset)
		}
	}
	return nil
}
