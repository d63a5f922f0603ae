package table

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// What a partition has set aside is kept in chunks: its index, parked/GENERATION/PARTITION, says which there are. The index is the lane's own. Operators change
// chunks, and delete those in which they leave nothing; the lane takes them out of the index then.

// chunkBytesMax closes a chunk, which may then be larger by one event: a commit that sets one more event aside writes the last chunk again. Some 400 events
// that wait have room in one, and an index for those of ten million.
const chunkBytesMax = 64 << 10

// aside is what a partition has set aside, as far as it was read.
type aside struct {
	client     *commitlog.Client
	topic      commitlog.Topic
	generation int
	partition  int32

	index   []chunkAt // by their numbers
	newest  int64     // offset of the index
	changed bool      // the index
	chunks  map[int]*chunk
}

// chunkAt says where to look for an event.
type chunkAt struct {
	Number int   `json:"n"`
	From   int64 `json:"from"` // offsets of its events: none is outside
	To     int64 `json:"to"`
}

type chunk struct {
	number  int
	newest  int64
	bytes   int
	events  []projections.ParkedEvent
	changed bool
}

func (a *aside) chunkKey(number int) []byte {
	return fmt.Appendf(parkedKey(a.generation, a.partition), "/%d", number)
}

// readAside reads the index of what a partition has set aside.
func readAside(ctx context.Context, client *commitlog.Client, t commitlog.Topic, generation int, partition int32) (a *aside, err error) {
	a = &aside{client: client, topic: t, generation: generation, partition: partition, chunks: map[int]*chunk{}}
	a.newest, err = read(ctx, client, t, parkedKey(generation, partition), &a.index)
	return a, err
}

// parkedOf lists what a partition has set aside.
func parkedOf(ctx context.Context, client *commitlog.Client, t commitlog.Topic, generation int, partition int32) ([]projections.ParkedEvent, error) {
	a, err := readAside(ctx, client, t, generation, partition)
	if err == nil {
		err = a.loadAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	return a.all(), nil
}

// chunk reads one, unless that was done.
func (a *aside) chunk(ctx context.Context, number int) (*chunk, error) {
	if c := a.chunks[number]; c != nil {
		return c, nil
	}
	c, err := a.read(ctx, number)
	if err == nil {
		a.chunks[number] = c
	}
	return c, err
}

func (a *aside) read(ctx context.Context, number int) (*chunk, error) {
	r, ok, err := a.client.Get(ctx, a.topic, a.chunkKey(number), commitlog.Strict())
	if err != nil {
		return nil, classified(err)
	}
	c := &chunk{number: number, newest: r.Offset, bytes: len(r.Value)}
	return c, decode(a.topic, r, ok, &c.events)
}

// loadAll reads all chunks, many at a time.
func (a *aside) loadAll(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(loadsAtOnce)
	chunks := make([]*chunk, len(a.index))
	for i, at := range a.index {
		group.Go(func() (err error) {
			chunks[i], err = a.read(ctx, at.Number)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, c := range chunks {
		if a.chunks[c.number] == nil {
			a.chunks[c.number] = c
		}
	}
	return nil
}

// all lists the events that were read, by their offsets.
func (a *aside) all() (events []projections.ParkedEvent) {
	for _, c := range a.chunks {
		events = append(events, c.events...)
	}
	slices.SortFunc(events, func(a, b projections.ParkedEvent) int { return cmp.Compare(a.Offset, b.Offset) })
	return events
}

// find gives the event at an offset.
func (a *aside) find(ctx context.Context, offset int64) (in *chunk, e *projections.ParkedEvent, err error) {
	for _, at := range a.index {
		if offset < at.From || offset > at.To {
			continue
		}
		c, err := a.chunk(ctx, at.Number)
		if err != nil {
			return nil, nil, err
		}
		if i := slices.IndexFunc(c.events, func(e projections.ParkedEvent) bool { return e.Offset == offset }); i >= 0 {
			return c, &c.events[i], nil
		}
	}
	return nil, nil, nil
}

// add appends an event. One that is there already, because the partition went back, is not kept twice.
func (a *aside) add(ctx context.Context, e projections.ParkedEvent) error {
	in, there, err := a.find(ctx, e.Offset)
	if err != nil {
		return err
	}
	if there != nil {
		there.Reason, there.Skipped, there.Retry = cmp.Or(e.Reason, there.Reason), e.Skipped, false
		in.changed = true
		return nil
	}
	c, err := a.last(ctx)
	if err != nil {
		return err
	}
	c.events, c.bytes, c.changed = append(c.events, e), c.bytes+len(encoded(e))+1, true
	at := &a.index[len(a.index)-1]
	at.From, at.To, a.changed = min(at.From, e.Offset), max(at.To, e.Offset), true
	return nil
}

// last is the chunk to which events are added.
func (a *aside) last(ctx context.Context) (*chunk, error) {
	number := 0
	if n := len(a.index); n > 0 {
		c, err := a.chunk(ctx, a.index[n-1].Number)
		if err != nil || c.bytes < chunkBytesMax {
			return c, err
		}
		number = c.number + 1
	}
	a.index, a.changed = append(a.index, chunkAt{Number: number, From: math.MaxInt64, To: math.MinInt64}), true
	c := &chunk{number: number, newest: commitlog.AnyRecord} // there may have been one
	a.chunks[number] = c
	return c, nil
}

// update writes a chunk.
func (a *aside) update(c *chunk) commitlog.Update {
	u := commitlog.Update{Key: a.chunkKey(c.number), Newest: c.newest}
	if len(c.events) > 0 {
		u.Value = encoded(c.events)
	}
	return u
}

// updates write what was changed.
func (a *aside) updates() (updates []commitlog.Update) {
	for _, c := range a.chunks {
		if c.changed {
			updates = append(updates, a.update(c))
		}
	}
	before := len(a.index)
	a.index = slices.DeleteFunc(a.index, func(at chunkAt) bool { c := a.chunks[at.Number]; return c != nil && len(c.events) == 0 })
	if a.changed || len(a.index) < before {
		updates = append(updates, commitlog.Update{Key: parkedKey(a.generation, a.partition), Value: encoded(a.index), Newest: a.newest})
	}
	return updates
}

// parking is what a commit changes of what was set aside.
type parking struct {
	changes []func(context.Context, *aside) error
}

// setAside are the updates that a commit makes of what was set aside.
func (l *lane[Row]) setAside(ctx context.Context) ([]commitlog.Update, error) {
	if len(l.parking.changes) == 0 {
		return nil, nil
	}
	a, err := readAside(ctx, l.client, l.topic, l.about.Generation, l.claim.Partition)
	if err != nil {
		return nil, err
	}
	for _, change := range l.parking.changes {
		if err := change(ctx, a); err != nil {
			return nil, err
		}
	}
	for _, at := range a.index {
		if slices.Contains(l.emptied, at.Number) { // still?
			if _, err := a.chunk(ctx, at.Number); err != nil {
				return nil, err
			}
		}
	}
	return a.updates(), nil
}

// parked lists what the partition has set aside, and learns which chunks are empty.
func (l *lane[Row]) parked(ctx context.Context) ([]projections.ParkedEvent, error) {
	a, err := readAside(ctx, l.client, l.topic, l.about.Generation, l.claim.Partition)
	if err == nil {
		err = a.loadAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	l.emptied = nil
	for number, c := range a.chunks {
		if len(c.events) == 0 {
			l.emptied = append(l.emptied, number)
		}
	}
	return a.all(), nil
}

// Waiting implements [projections.Parking].
func (l *lane[Row]) Waiting(ctx context.Context) (map[string]bool, error) {
	events, err := l.parked(ctx)
	if err != nil {
		return nil, err
	}
	return projections.WaitingOf(events), nil
}

// First implements [projections.Parking].
func (l *lane[Row]) First(ctx context.Context, stream string, max int) ([]projections.ParkedEvent, error) {
	events, err := l.parked(ctx)
	if err != nil {
		return nil, err
	}
	events = slices.DeleteFunc(events, func(e projections.ParkedEvent) bool { return e.Stream != stream || e.Skipped })
	return events[:min(max, len(events))], nil
}

// SetAside implements [projections.Parking].
func (l *lane[Row]) SetAside(events ...projections.ParkedEvent) {
	l.parking.changes = append(l.parking.changes, func(ctx context.Context, a *aside) error {
		for _, e := range events {
			e.Parked = time.Now().UTC()
			if err := a.add(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Release implements [projections.Parking].
func (l *lane[Row]) Release(offset int64) {
	l.parking.changes = append(l.parking.changes, func(ctx context.Context, a *aside) error {
		c, _, err := a.find(ctx, offset)
		if err != nil {
			return err
		}
		if c == nil { // so that nothing is handled twice
			return &projections.TransientError{Err: fmt.Errorf("the parked event at offset %d is not there any more", offset)}
		}
		c.events = slices.DeleteFunc(c.events, func(e projections.ParkedEvent) bool { return e.Offset == offset })
		c.changed = true
		return nil
	})
}

// Refuse implements [projections.Parking].
func (l *lane[Row]) Refuse(offset int64, reason string) {
	l.parking.changes = append(l.parking.changes, func(ctx context.Context, a *aside) error {
		in, refused, err := a.find(ctx, offset)
		if err != nil || refused == nil { // it was dropped
			return err
		}
		refused.Reason, in.changed = reason, true
		refused.Attempts++
		if err := a.loadAll(ctx); err != nil {
			return err
		}
		for _, c := range a.chunks {
			for i := range c.events {
				if e := &c.events[i]; e.Stream == refused.Stream && e.Retry {
					e.Retry, c.changed = false, true
				}
			}
		}
		return nil
	})
}
