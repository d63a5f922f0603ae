package projections

import (
	"context"
	"fmt"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// Await returns when the projection has passed all positions: what it makes of those events is in the sink, so that a caller reads
// its own writes. Events that were set aside, or skipped, were passed too, and have no effect there. A zero Position is passed from the start. It needs a worker that runs somewhere, and waits for one to come.
//
// The errors are [ErrUnreachable], at once, for a position of another topic or log than the one that the sink follows,
// and the cause of ctx.
func Await[T any](ctx context.Context, p *Projection[T], sink Sink[T], at ...eventstore.Position) error {
	targets := make([]target, 0, len(at))
	for _, position := range at {
		if position.IsZero() {
			continue
		}
		targets = append(targets, target{name: position.String(), partition: position.Partition, next: position.Offset + 1, check: position.Check})
	}
	return await(ctx, p.ID(), sink, targets)
}

// AwaitCursor is [Await] for everything below a cursor.
func AwaitCursor[T any](ctx context.Context, p *Projection[T], sink Sink[T], cursor eventstore.Cursor) error {
	targets := make([]target, 0, len(cursor.Next))
	for partition, next := range cursor.Next {
		targets = append(targets, target{name: cursor.String(), partition: int32(partition), next: next, check: cursor.Check})
	}
	return await(ctx, p.ID(), sink, targets)
}

// target is a place that somebody waits for the projection to pass.
type target struct {
	name      string
	partition int32
	next      int64
	check     func(commitlog.Topic) error // ErrUnreachable in a topic that the target is not of
}

func await[T any](ctx context.Context, p ID, sink Sink[T], targets []target) error {
	if len(targets) == 0 {
		return nil
	}
	for now, err := range sink.Watch(ctx, p) {
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for projection %s to pass %s: %w", p, targets[0].name, context.Cause(ctx))
		}
		if err != nil {
			return fmt.Errorf("waiting for projection %s to pass %s: %w", p, targets[0].name, err)
		}
		if now.Source == (Source{}) {
			continue
		}
		topic := commitlog.Topic{Name: now.Source.Topic, ID: now.Source.TopicID, LogID: now.Source.LogID, Partitions: make([]commitlog.PartitionInfo, now.Source.Partitions)}
		ahead := targets[:0]
		for _, t := range targets {
			if err := t.check(topic); err != nil {
				return fmt.Errorf("waiting for projection %s: %w", p, err)
			}
			if now.Partitions[t.partition].Next < t.next {
				ahead = append(ahead, t)
			}
		}
		if targets = ahead; len(targets) == 0 {
			return nil
		}
	}
	return fmt.Errorf("waiting for projection %s to pass %s: the sink ended the watch: %w", p, targets[0].name, context.Cause(ctx))
}
