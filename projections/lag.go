package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/strandlog/strand/eventstore"
)

// Behind says how much of the log a projection does not show yet.
type Behind struct {
	Events int64         // records that the checkpoint has not passed, over all partitions, of whatever category
	Time   time.Duration // age of the oldest of them; 0 if there is none
}

// Lag compares the checkpoints in sink with the ends of the store's partitions. The time is the local clock's against the log's,
// so that a difference between the two shows in it.
func Lag[T any](ctx context.Context, store *eventstore.Store, p *Projection[T], sink Sink[T]) (Behind, error) {
	now, err := checkpoints(ctx, sink, p.ID())
	if err != nil {
		return Behind{}, err
	}
	topic, err := store.Topic(ctx)
	if err != nil {
		return Behind{}, fmt.Errorf("looking up the topic of projection %s: %w", p.ID(), err)
	}
	have := sourceOf(topic)
	if now.Source != (Source{}) && now.Source != have {
		return Behind{}, &DivergedError{Projection: p.ID(), Topic: topic.Name, Reason: fmt.Sprintf(
			"the checkpoint belongs to topic %q (id %s, log %s)", now.Source.Topic, now.Source.TopicID, now.Source.LogID)}
	}
	var behind Behind
	for i, partition := range topic.Partitions {
		next := max(now.Partitions[int32(i)].Next, partition.Start)
		if next >= partition.End {
			continue
		}
		for oldest, err := range store.Partition(ctx, int32(i), next, partition.End, false) {
			if fault, ok := faultOf(err); ok { // which is what the workers stand before
				oldest, err = fault.event, nil
			}
			if err != nil {
				return Behind{}, fmt.Errorf("reading the oldest record that projection %s lacks: %w", p.ID(), err)
			}
			behind.Events += partition.End - oldest.Position.Offset
			behind.Time = max(behind.Time, time.Since(oldest.Time))
			break
		}
	}
	return behind, nil
}
