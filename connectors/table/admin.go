package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// Admin is that of the projections that keep their rows in table topics.
type Admin struct{ client *commitlog.Client }

// NewAdmin makes one.
func NewAdmin(client *commitlog.Client) *Admin { return &Admin{client} }

// List implements [projections.Admin]. Each version is as it was at some moment of the call. Readers choose a version by themselves: none is live.
func (a *Admin) List(ctx context.Context) ([]projections.Overview, error) {
	topics, err := a.client.Topics(ctx)
	if err != nil {
		return nil, classified(err)
	}
	var all []projections.Overview
	for _, t := range topics {
		id, ok := idOf(t.Name)
		if !ok || t.Kind != commitlog.Table {
			continue
		}
		o, err := a.overview(ctx, t, id)
		switch {
		case errors.Is(err, commitlog.ErrUnknownTopic): // it was deleted meanwhile
		case err != nil:
			return nil, err
		case o != nil:
			all = append(all, *o)
		}
	}
	slices.SortFunc(all, func(a, b projections.Overview) int {
		return cmp.Or(cmp.Compare(a.ID.Name, b.ID.Name), cmp.Compare(a.ID.Version, b.ID.Version))
	})
	return all, nil
}

// overview is nil for a topic that only has the name of one with rows.
func (a *Admin) overview(ctx context.Context, t commitlog.Topic, id projections.ID) (*projections.Overview, error) {
	about, newest, err := readAbout(ctx, a.client, t)
	if err != nil || newest == commitlog.NoRecord {
		return nil, err
	}
	o := &projections.Overview{ID: id, Source: about.source(), Paused: about.Paused, Created: t.Created}
	for _, partition := range about.Partitions {
		r, ok, err := a.client.Get(ctx, t, checkpointKey(partition), commitlog.Strict())
		if err != nil {
			return nil, classified(err)
		}
		var at checkpoint
		if err := decode(t, r, ok, &at); err != nil {
			return nil, err
		}
		at = about.counting(at)
		o.Partitions = append(o.Partitions, projections.PartitionOverview{Partition: partition, Next: at.Next, Epoch: at.Epoch, Updated: r.Time})
		parked, err := parkedOf(ctx, a.client, t, about.Generation, partition)
		if err != nil {
			return nil, err
		}
		for _, e := range parked {
			if e.Skipped {
				o.Skipped++
			} else {
				o.Waiting++
			}
		}
	}
	return o, nil
}

// idOf is the projection version whose rows a topic has, by its name.
func idOf(topic string) (p projections.ID, ok bool) {
	rest, ok := strings.CutSuffix(topic, ".rows")
	at := strings.LastIndex(rest, ".v")
	if !ok || at < 1 {
		return p, false
	}
	version, err := strconv.Atoi(rest[at+2:])
	p = projections.ID{Name: rest[:at], Version: version}
	return p, err == nil && TopicOf(p) == topic
}

// Pause implements [projections.Admin].
func (a *Admin) Pause(ctx context.Context, p projections.ID) error { return a.setPaused(ctx, p, true) }

// Resume implements [projections.Admin].
func (a *Admin) Resume(ctx context.Context, p projections.ID) error {
	return a.setPaused(ctx, p, false)
}

func (a *Admin) setPaused(ctx context.Context, p projections.ID, paused bool) error {
	t, _, err := a.open(ctx, p)
	if err != nil {
		return err
	}
	_, _, _, err = alter(ctx, a.client, t, func(about *projection) ([]commitlog.Update, error) {
		about.Paused = paused
		return nil, nil
	})
	return err
}

// SetCheckpoints implements [projections.Admin].
func (a *Admin) SetCheckpoints(ctx context.Context, p projections.ID, next map[int32]int64) error {
	if err := projections.CheckOffsets(next); err != nil {
		return err
	}
	t, _, err := a.open(ctx, p)
	if err != nil {
		return err
	}
	_, _, _, err = alter(ctx, a.client, t, func(about *projection) (updates []commitlog.Update, err error) {
		for partition, offset := range next {
			if !slices.Contains(about.Partitions, partition) {
				return nil, &projections.UnknownProjectionError{Projection: p, Partition: partition}
			}
			at, _, err := readCheckpoint(ctx, a.client, t, about, partition)
			if err != nil {
				return nil, err
			}
			at.NewFrom = max(at.NewFrom, at.Next)
			at.Lane, at.Next, at.LogEpoch, at.EventID = at.Lane+1, offset, 0, uuid.Nil
			// Whatever is committed meanwhile: a claim would have changed what the topic is about.
			updates = append(updates, commitlog.Update{Key: checkpointKey(partition), Value: encoded(at), Newest: commitlog.AnyRecord})
		}
		return updates, nil
	})
	return err
}

// Parked implements [projections.Admin].
func (a *Admin) Parked(ctx context.Context, p projections.ID) (all []projections.ParkedEvent, err error) {
	t, about, err := a.open(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, partition := range about.Partitions {
		parked, err := parkedOf(ctx, a.client, t, about.Generation, partition)
		if err != nil {
			return nil, err
		}
		all = append(all, parked...)
	}
	return all, nil
}

// Retry implements [projections.Admin]. It marks the first event of those that wait: the others follow it.
func (a *Admin) Retry(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	err = a.eachParked(ctx, p, func(u *commitlog.Updater, parked *aside) error {
		var first *chunk
		var e *projections.ParkedEvent
		n := int64(0)
		for _, c := range parked.chunks {
			for i := range c.events {
				if at := &c.events[i]; at.Stream == stream && !at.Skipped {
					if n++; e == nil || at.Offset < e.Offset {
						first, e = c, at
					}
				}
			}
		}
		if e == nil {
			return nil
		}
		e.Retry = true
		if _, err := u.Update(ctx, parked.update(first)); err != nil {
			return err
		}
		events += n
		return nil
	})
	return events, err
}

// Drop implements [projections.Admin]. The first event goes last: while it is there, those behind it wait.
func (a *Admin) Drop(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	err = a.eachParked(ctx, p, func(u *commitlog.Updater, parked *aside) error {
		ofStream := func(e projections.ParkedEvent) bool { return e.Stream == stream }
		first := func(c *chunk) int64 {
			offset := int64(math.MaxInt64)
			for _, e := range c.events {
				if ofStream(e) {
					offset = min(offset, e.Offset)
				}
			}
			return offset
		}
		chunks := slices.DeleteFunc(slices.Collect(maps.Values(parked.chunks)), func(c *chunk) bool { return !slices.ContainsFunc(c.events, ofStream) })
		slices.SortFunc(chunks, func(a, b *chunk) int { return cmp.Compare(first(b), first(a)) })
		for _, c := range chunks {
			before := len(c.events)
			c.events = slices.DeleteFunc(c.events, ofStream)
			if _, err := u.Update(ctx, parked.update(c)); err != nil {
				return err
			}
			events += int64(before - len(c.events))
		}
		return nil
	})
	return events, err
}

// eachParked calls fn with what each partition has set aside, again where others have changed it meanwhile.
func (a *Admin) eachParked(ctx context.Context, p projections.ID, fn func(*commitlog.Updater, *aside) error) error {
	t, about, err := a.open(ctx, p)
	if err != nil {
		return err
	}
	u, err := a.client.Updater(t)
	if err != nil {
		return err
	}
	for i := 0; i < len(about.Partitions); {
		parked, err := readAside(ctx, a.client, t, about.Generation, about.Partitions[i])
		if err == nil {
			err = parked.loadAll(ctx)
		}
		if err == nil {
			err = fn(u, parked)
		}
		switch {
		case err == nil:
			i++
		case !isConflict(err):
			return classified(err)
		}
	}
	return nil
}

// open finds the topic of a projection version, and what it is about.
func (a *Admin) open(ctx context.Context, p projections.ID) (t commitlog.Topic, about projection, err error) {
	unknown := &projections.UnknownProjectionError{Projection: p, Partition: -1}
	if t, err = open(ctx, a.client, p, false); isUnknown(err) {
		return t, about, fmt.Errorf("table: there is no topic %q: %w", TopicOf(p), unknown)
	}
	if err != nil {
		return t, about, err
	}
	about, newest, err := readAbout(ctx, a.client, t)
	if err == nil && newest == commitlog.NoRecord {
		err = fmt.Errorf("table: topic %q has no projection: %w", t.Name, unknown)
	}
	return t, about, err
}
