package projections

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Parked lists the events of a partition that were set aside, by their offsets.
func (m *Memory[Row]) Parked(partition int32) []ParkedEvent {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if part := m.parts[partition]; part != nil {
		return slices.Clone(part.aside)
	}
	return nil
}

// Retry asks for another attempt at a stream's events that were set aside.
func (m *Memory[Row]) Retry(partition int32, stream string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	part := m.parts[partition]
	for i := 0; part != nil && i < len(part.aside); i++ {
		if e := &part.aside[i]; e.Stream == stream && !e.Skipped {
			e.Retry = true
			return nil
		}
	}
	return fmt.Errorf("no event of stream %q waits in partition %d", stream, partition)
}

// Waiting implements [Parking].
func (l *memoryLane[Row]) Waiting(ctx context.Context) (map[string]bool, error) {
	return WaitingOf(l.sink.Parked(l.claim.Partition)), ctx.Err()
}

// First implements [Parking].
func (l *memoryLane[Row]) First(ctx context.Context, stream string, max int) ([]ParkedEvent, error) {
	all := slices.DeleteFunc(l.sink.Parked(l.claim.Partition), func(e ParkedEvent) bool { return e.Stream != stream || e.Skipped })
	return all[:min(max, len(all))], ctx.Err()
}

// SetAside implements [Parking].
func (l *memoryLane[Row]) SetAside(events ...ParkedEvent) {
	l.changes = append(l.changes, func(aside []ParkedEvent) []ParkedEvent {
		for _, e := range events {
			e.Parked = time.Now()
			aside = append(aside, e)
		}
		return aside
	})
}

// Release implements [Parking].
func (l *memoryLane[Row]) Release(offset int64) {
	l.changes = append(l.changes, func(aside []ParkedEvent) []ParkedEvent {
		return slices.DeleteFunc(slices.Clone(aside), func(e ParkedEvent) bool { return e.Offset == offset })
	})
}

// Refuse implements [Parking].
func (l *memoryLane[Row]) Refuse(offset int64, reason string) {
	l.changes = append(l.changes, func(aside []ParkedEvent) []ParkedEvent {
		aside = slices.Clone(aside)
		for i := range aside {
			if e := &aside[i]; e.Offset == offset {
				e.Reason, e.Attempts, e.Retry = reason, e.Attempts+1, false
			}
		}
		return aside
	})
}
