package projections

import (
	"context"
	"iter"

	"github.com/strandlog/strand/eventstore"
)

// Observer is told what projections do and how it ended. Each method is called when something begins, gives the context with which it goes
// on, and a function that is called once with how it ended. BatchStart is called by the workers of all partitions at once.
//
// Package telemetry has one that makes metrics and traces. Without one, nothing is measured and nothing allocated.
type Observer interface {
	// RunStart is called for every call of [Run], [CatchUp] or [Rebuild].
	RunStart(ctx context.Context, r RunInfo) (context.Context, func(RunResult))
	// BatchStart is called for every batch of events, before the handlers. Its context is theirs.
	BatchStart(ctx context.Context, b BatchInfo) (context.Context, func(BatchResult))
}

// Observe has an observer told of the call's work.
func Observe(o Observer) Option {
	return func(to *options) { to.observer = o }
}

// RunInfo is a call that begins.
type RunInfo struct {
	Projection ID
	Live       bool // it goes on until its context ends

	// Lag and Progress say how far it is, whenever they are called, until the call has returned. Lag asks sink and log.
	Lag      func(ctx context.Context) (Behind, error)
	Progress func() Progress
}

// RunResult is how a call ended. Err is nil when it did its work, or was told to stop.
type RunResult struct{ Err error }

// BatchInfo is a batch of records that is to be projected and committed.
type BatchInfo struct {
	Projection ID
	Topic      string
	Partition  int32
	Records    int // of whatever category
	Events     int // that a handler wants

	// Replay: the events were in the log before the call began. They were made by what is long over.
	Replay bool

	// Metadata yields those of the events that a handler wants, in the order of the log.
	Metadata iter.Seq[*eventstore.Metadata]
}

// BatchResult is how a batch ended. After an error the events before the one that was refused are committed, with no call of their own.
type BatchResult struct{ Err error }

// observed is project under the eyes of the observer, if there is one.
func (w *worker[T]) observed(ctx context.Context, batch []delivery) error {
	if w.options.observer == nil {
		return w.project(ctx, batch)
	}
	last := batch[len(batch)-1].mark.Next
	info := BatchInfo{
		Projection: w.projection.ID(),
		Topic:      w.feed.topic.Name,
		Partition:  w.partition,
		Records:    int(max(last-w.lane.Checkpoint().Next, 0)),
		Replay:     !w.feed.live || last <= w.feed.topic.Partitions[w.partition].End,
		Metadata:   metadataOf(batch),
	}
	for i := range batch {
		if batch[i].handled {
			info.Events++
		}
	}
	ctx, done := w.options.observer.BatchStart(ctx, info)
	err := w.project(ctx, batch)
	done(BatchResult{Err: err})
	return err
}

func metadataOf(batch []delivery) iter.Seq[*eventstore.Metadata] {
	return func(yield func(*eventstore.Metadata) bool) {
		for i := range batch {
			if batch[i].handled && !yield(&batch[i].event.Metadata) {
				return
			}
		}
	}
}
