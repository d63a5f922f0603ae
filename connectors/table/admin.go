package table

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

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
		o.Partitions = append(o.Partitions, projections.PartitionOverview{Partition: partition, Next: at.Next, Epoch: at.Epoch, Updated: r.Time})
		parked, err := readAside(ctx, a.client, t, partition)
		if err != nil {
			return nil, err
		}
		for _, e := range parked.all() {
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

// Pause implements [projections.Admin]. Each checkpoint is written again, so that the commits under way, which name the one before, are refused.
func (a *Admin) Pause(ctx context.Context, p projections.ID) error { return a.setPaused(ctx, p, true) }

// Resume implements [projections.Admin].
func (a *Admin) Resume(ctx context.Context, p projections.ID) error {
	return a.setPaused(ctx, p, false)
}

func (a *Admin) setPaused(ctx context.Context, p projections.ID, paused bool) error {
	return a.alter(ctx, p, func(about *projection, at map[int32]*checkpoint) error {
		about.Paused = paused
		for _, c := range at {
			c.Paused = paused
		}
		return nil
	})
}

// SetCheckpoints implements [projections.Admin].
func (a *Admin) SetCheckpoints(ctx context.Context, p projections.ID, next map[int32]int64) error {
	if err := projections.CheckOffsets(next); err != nil {
		return err
	}
	return a.alter(ctx, p, func(_ *projection, at map[int32]*checkpoint) error {
		for partition, offset := range next {
			c := at[partition]
			if c == nil {
				return &projections.UnknownProjectionError{Projection: p, Partition: partition}
			}
			*c = checkpoint{Epoch: c.Epoch, Lane: c.Lane + 1, Next: offset, Paused: c.Paused}
		}
		return nil
	})
}

// alter changes what a topic says of its projection and its checkpoints, all at once.
func (a *Admin) alter(ctx context.Context, p projections.ID, fn func(*projection, map[int32]*checkpoint) error) error {
	t, err := a.open(ctx, p)
	if err != nil {
		return err
	}
	u, err := a.client.Updater(t)
	if err != nil {
		return err
	}
	for {
		about, aboutAt, err := readAbout(ctx, a.client, t)
		if err != nil {
			return err
		}
		at, newest := map[int32]*checkpoint{}, map[int32]int64{}
		for _, partition := range about.Partitions {
			at[partition] = &checkpoint{}
			if newest[partition], err = read(ctx, a.client, t, checkpointKey(partition), at[partition]); err != nil {
				return err
			}
		}
		if err := fn(&about, at); err != nil {
			return err
		}
		updates := []commitlog.Update{{Key: []byte(projectionKey), Value: encoded(about), Newest: aboutAt}}
		for _, partition := range about.Partitions {
			updates = append(updates, commitlog.Update{Key: checkpointKey(partition), Value: encoded(*at[partition]), Newest: newest[partition]})
		}
		if _, err = u.Update(ctx, updates...); !isConflict(err) {
			return classified(err)
		}
	}
}

// Parked implements [projections.Admin].
func (a *Admin) Parked(ctx context.Context, p projections.ID) (all []projections.ParkedEvent, err error) {
	t, err := a.open(ctx, p)
	if err != nil {
		return nil, err
	}
	about, _, err := readAbout(ctx, a.client, t)
	if err != nil {
		return nil, err
	}
	for _, partition := range about.Partitions {
		parked, err := readAside(ctx, a.client, t, partition)
		if err != nil {
			return nil, err
		}
		all = append(all, parked.all()...)
	}
	return all, nil
}

// Retry implements [projections.Admin].
func (a *Admin) Retry(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	return a.alterParked(ctx, p, func(c *chunk) (changed int) {
		for i := range c.events {
			if e := &c.events[i]; e.Stream == stream && !e.Skipped {
				e.Retry = true
				changed++
			}
		}
		return changed
	})
}

// Drop implements [projections.Admin].
func (a *Admin) Drop(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	return a.alterParked(ctx, p, func(c *chunk) (changed int) {
		before := len(c.events)
		c.events = slices.DeleteFunc(c.events, func(e projections.ParkedEvent) bool { return e.Stream == stream })
		return before - len(c.events)
	})
}

// alterParked changes what was set aside, partition by partition.
func (a *Admin) alterParked(ctx context.Context, p projections.ID, fn func(*chunk) int) (events int64, err error) {
	t, err := a.open(ctx, p)
	if err != nil {
		return 0, err
	}
	u, err := a.client.Updater(t)
	if err != nil {
		return 0, err
	}
	about, _, err := readAbout(ctx, a.client, t)
	if err != nil {
		return 0, err
	}
	for _, partition := range about.Partitions {
		for {
			parked, err := readAside(ctx, a.client, t, partition)
			if err != nil {
				return events, err
			}
			n := 0
			for _, c := range parked.chunks {
				changed := fn(c)
				c.changed = c.changed || changed > 0
				n += changed
			}
			if n == 0 {
				break
			}
			_, err = u.Update(ctx, parked.updates(partition)...)
			if isConflict(err) {
				continue
			}
			if err != nil {
				return events, classified(err)
			}
			events += int64(n)
			break
		}
	}
	return events, nil
}

// open finds the topic of a projection version.
func (a *Admin) open(ctx context.Context, p projections.ID) (commitlog.Topic, error) {
	t, err := open(ctx, a.client, p, false)
	if isUnknown(err) {
		err = fmt.Errorf("table: there is no topic %q: %w", TopicOf(p), &projections.UnknownProjectionError{Projection: p, Partition: -1})
	}
	return t, err
}
