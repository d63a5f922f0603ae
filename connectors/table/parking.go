package table

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// parking is what a commit changes of what was set aside. What a partition has set aside is one record.
type parking struct {
	changes []func([]projections.ParkedEvent) ([]projections.ParkedEvent, error)
}

// setAside is the update that a commit makes of what was set aside, none if it changes nothing.
func (l *lane[Row]) setAside(ctx context.Context) ([]commitlog.Update, error) {
	if len(l.parking.changes) == 0 {
		return nil, nil
	}
	aside, newest, err := l.aside(ctx)
	if err != nil {
		return nil, err
	}
	for _, change := range l.parking.changes {
		if aside, err = change(aside); err != nil {
			return nil, err
		}
	}
	return []commitlog.Update{{Key: parkedKey(l.claim.Partition), Value: encoded(aside), Newest: newest}}, nil
}

func (l *lane[Row]) aside(ctx context.Context) (aside []projections.ParkedEvent, newest int64, err error) {
	newest, err = read(ctx, l.client, l.topic, parkedKey(l.claim.Partition), &aside)
	return aside, newest, err
}

// Waiting implements [projections.Parking].
func (l *lane[Row]) Waiting(ctx context.Context) (map[string]bool, error) {
	aside, _, err := l.aside(ctx)
	waiting := map[string]bool{}
	for _, e := range aside {
		if !e.Skipped {
			waiting[e.Stream] = waiting[e.Stream] || e.Retry
		}
	}
	return waiting, err
}

// First implements [projections.Parking].
func (l *lane[Row]) First(ctx context.Context, stream string, max int) ([]projections.ParkedEvent, error) {
	aside, _, err := l.aside(ctx)
	aside = slices.DeleteFunc(aside, func(e projections.ParkedEvent) bool { return e.Stream != stream || e.Skipped })
	return aside[:min(max, len(aside))], err
}

func (l *lane[Row]) change(fn func([]projections.ParkedEvent) ([]projections.ParkedEvent, error)) {
	l.parking.changes = append(l.parking.changes, fn)
}

// SetAside implements [projections.Parking].
func (l *lane[Row]) SetAside(events ...projections.ParkedEvent) {
	l.change(func(aside []projections.ParkedEvent) ([]projections.ParkedEvent, error) {
		for _, e := range events {
			e.Parked = time.Now().UTC()
			aside = append(aside, e)
		}
		return aside, nil
	})
}

// Release implements [projections.Parking].
func (l *lane[Row]) Release(offset int64) {
	l.change(func(aside []projections.ParkedEvent) ([]projections.ParkedEvent, error) {
		i := slices.IndexFunc(aside, func(e projections.ParkedEvent) bool { return e.Offset == offset })
		if i < 0 { // so that nothing is handled twice
			return nil, &projections.TransientError{Err: fmt.Errorf("the parked event at offset %d is not there any more", offset)}
		}
		return slices.Delete(aside, i, i+1), nil
	})
}

// Refuse implements [projections.Parking].
func (l *lane[Row]) Refuse(offset int64, reason string) {
	l.change(func(aside []projections.ParkedEvent) ([]projections.ParkedEvent, error) {
		for i := range aside {
			if e := &aside[i]; e.Offset == offset {
				e.Reason, e.Attempts, e.Retry = reason, e.Attempts+1, false
			}
		}
		return aside, nil
	})
}

// Parked lists the events of a projection version that were set aside, by partition and offset.
func (s *Sink[Row]) Parked(ctx context.Context, p projections.ID) (all []projections.ParkedEvent, err error) {
	t, err := open(ctx, s.client, p, false)
	if err != nil {
		return nil, err
	}
	var about projection
	if _, err := read(ctx, s.client, t, []byte(projectionKey), &about); err != nil {
		return nil, err
	}
	for _, partition := range about.Partitions {
		var aside []projections.ParkedEvent
		if _, err := read(ctx, s.client, t, parkedKey(partition), &aside); err != nil {
			return nil, err
		}
		all = append(all, aside...)
	}
	return all, nil
}

// Retry asks for another attempt at the events of a stream that wait, and says how many those are. The worker that has their partition makes it within a
// second or so.
func (s *Sink[Row]) Retry(ctx context.Context, p projections.ID, stream string) (events int, err error) {
	return s.alter(ctx, p, func(aside []projections.ParkedEvent) (kept []projections.ParkedEvent, changed int) {
		for i := range aside {
			if e := &aside[i]; e.Stream == stream && !e.Skipped {
				e.Retry = true
				changed++
			}
		}
		return aside, changed
	})
}

// Drop forgets the events of a stream that were set aside, and says how many those were: they never have their effect.
func (s *Sink[Row]) Drop(ctx context.Context, p projections.ID, stream string) (events int, err error) {
	return s.alter(ctx, p, func(aside []projections.ParkedEvent) (kept []projections.ParkedEvent, changed int) {
		kept = slices.DeleteFunc(slices.Clone(aside), func(e projections.ParkedEvent) bool { return e.Stream == stream })
		return kept, len(aside) - len(kept)
	})
}

// alter changes what was set aside, partition by partition.
func (s *Sink[Row]) alter(ctx context.Context, p projections.ID, fn func([]projections.ParkedEvent) ([]projections.ParkedEvent, int)) (events int, err error) {
	t, err := open(ctx, s.client, p, false)
	if err != nil {
		return 0, err
	}
	u, err := s.client.Updater(t)
	if err != nil {
		return 0, err
	}
	var about projection
	if _, err := read(ctx, s.client, t, []byte(projectionKey), &about); err != nil {
		return 0, err
	}
	for _, partition := range about.Partitions {
		for again := true; again; {
			var aside []projections.ParkedEvent
			newest, err := read(ctx, s.client, t, parkedKey(partition), &aside)
			if err != nil {
				return events, err
			}
			again = false
			kept, n := fn(aside)
			if n == 0 {
				continue
			}
			_, err = u.Update(ctx, commitlog.Update{Key: parkedKey(partition), Value: encoded(kept), Newest: newest})
			switch {
			case isConflict(err):
				again = true
			case err != nil:
				return events, classified(err)
			default:
				events += n
			}
		}
	}
	return events, nil
}
