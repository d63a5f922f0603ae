package table

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// What a partition has set aside is a list, kept in chunks: its index, parked/PARTITION, says which there are.

// chunkMax is how many events a chunk holds: with reasons of 4 KiB they fit in a record.
const chunkMax = 100

type aside struct {
	index  []int // numbers of the chunks, ascending
	newest int64 // offset of the index
	chunks []*chunk
}

type chunk struct {
	number  int
	newest  int64
	events  []projections.ParkedEvent
	changed bool
}

func chunkKey(partition int32, number int) []byte {
	return fmt.Appendf(parkedKey(partition), "/%d", number)
}

// readAside reads what a partition has set aside.
func readAside(ctx context.Context, client *commitlog.Client, t commitlog.Topic, partition int32) (*aside, error) {
	a := &aside{}
	var err error
	if a.newest, err = read(ctx, client, t, parkedKey(partition), &a.index); err != nil {
		return nil, err
	}
	for _, number := range a.index {
		c := &chunk{number: number}
		if c.newest, err = read(ctx, client, t, chunkKey(partition, number), &c.events); err != nil {
			return nil, err
		}
		a.chunks = append(a.chunks, c)
	}
	return a, nil
}

// all lists the events by their offsets.
func (a *aside) all() (events []projections.ParkedEvent) {
	for _, c := range a.chunks {
		events = append(events, c.events...)
	}
	slices.SortStableFunc(events, func(a, b projections.ParkedEvent) int { return cmp.Compare(a.Offset, b.Offset) })
	return events
}

// find gives the event at an offset.
func (a *aside) find(offset int64) (in *chunk, at int) {
	for _, c := range a.chunks {
		if i := slices.IndexFunc(c.events, func(e projections.ParkedEvent) bool { return e.Offset == offset }); i >= 0 {
			return c, i
		}
	}
	return nil, -1
}

// add appends events. One that is there already stays as it is: the partition was gone back.
func (a *aside) add(events []projections.ParkedEvent) {
	for _, e := range events {
		if in, _ := a.find(e.Offset); in != nil {
			continue
		}
		n := len(a.chunks)
		if n == 0 || len(a.chunks[n-1].events) >= chunkMax {
			number := 0
			if n > 0 {
				number = a.chunks[n-1].number + 1
			}
			a.chunks = append(a.chunks, &chunk{number: number, newest: commitlog.AnyRecord}) // one of before a reset may have had the number
		}
		last := a.chunks[len(a.chunks)-1]
		last.events, last.changed = append(last.events, e), true
	}
}

// updates write the chunks that were changed, and the index with them: whoever read any of it before is refused.
func (a *aside) updates(partition int32) (updates []commitlog.Update) {
	var index []int
	for _, c := range a.chunks {
		if len(c.events) > 0 {
			index = append(index, c.number)
		}
		switch {
		case !c.changed:
		case len(c.events) == 0:
			updates = append(updates, commitlog.Update{Key: chunkKey(partition, c.number), Newest: c.newest})
		default:
			updates = append(updates, commitlog.Update{Key: chunkKey(partition, c.number), Value: encoded(c.events), Newest: c.newest})
		}
	}
	if len(updates) > 0 {
		updates = append(updates, commitlog.Update{Key: parkedKey(partition), Value: encoded(index), Newest: a.newest})
	}
	return updates
}

// parking is what a commit changes of what was set aside.
type parking struct{ changes []func(*aside) error }

// setAside are the updates that a commit makes of what was set aside.
func (l *lane[Row]) setAside(ctx context.Context) ([]commitlog.Update, error) {
	if len(l.parking.changes) == 0 {
		return nil, nil
	}
	a, err := readAside(ctx, l.client, l.topic, l.claim.Partition)
	if err != nil {
		return nil, err
	}
	for _, change := range l.parking.changes {
		if err := change(a); err != nil {
			return nil, err
		}
	}
	return a.updates(l.claim.Partition), nil
}

// Waiting implements [projections.Parking].
func (l *lane[Row]) Waiting(ctx context.Context) (map[string]bool, error) {
	a, err := readAside(ctx, l.client, l.topic, l.claim.Partition)
	if err != nil {
		return nil, err
	}
	return projections.WaitingOf(a.all()), nil
}

// First implements [projections.Parking].
func (l *lane[Row]) First(ctx context.Context, stream string, max int) ([]projections.ParkedEvent, error) {
	a, err := readAside(ctx, l.client, l.topic, l.claim.Partition)
	if err != nil {
		return nil, err
	}
	events := slices.DeleteFunc(a.all(), func(e projections.ParkedEvent) bool { return e.Stream != stream || e.Skipped })
	return events[:min(max, len(events))], nil
}

// SetAside implements [projections.Parking].
func (l *lane[Row]) SetAside(events ...projections.ParkedEvent) {
	l.parking.changes = append(l.parking.changes, func(a *aside) error {
		kept := slices.Clone(events)
		for i := range kept {
			kept[i].Parked = time.Now().UTC()
		}
		a.add(kept)
		return nil
	})
}

// Release implements [projections.Parking].
func (l *lane[Row]) Release(offset int64) {
	l.parking.changes = append(l.parking.changes, func(a *aside) error {
		c, i := a.find(offset)
		if c == nil { // so that nothing is handled twice
			return &projections.TransientError{Err: fmt.Errorf("the parked event at offset %d is not there any more", offset)}
		}
		c.events, c.changed = slices.Delete(c.events, i, i+1), true
		return nil
	})
}

// Refuse implements [projections.Parking].
func (l *lane[Row]) Refuse(offset int64, reason string) {
	l.parking.changes = append(l.parking.changes, func(a *aside) error {
		c, i := a.find(offset)
		if c == nil {
			return nil // it was dropped
		}
		stream := c.events[i].Stream
		c.events[i].Reason, c.changed = reason, true
		c.events[i].Attempts++
		for _, c := range a.chunks {
			for i := range c.events {
				if e := &c.events[i]; e.Stream == stream && e.Retry {
					e.Retry, c.changed = false, true
				}
			}
		}
		return nil
	})
}
