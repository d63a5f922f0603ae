package projections

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/strandlog/strand/eventstore"
)

// Snapshot is a read model as of one moment.
type Snapshot[Row any] struct {
	Checkpoints Checkpoints
	Rows        map[string]Row // that were wanted
	Parked      []ParkedEvent  // which had no effect
}

// Snapshotter is implemented by sinks of rows that can be verified. One that does not keep everything of a row, such as nanoseconds, also has a method
// AsStored(Row) (Row, error), which gives what it would keep.
type Snapshotter[Row any] interface {
	// Snapshot reads checkpoints and rows as they were at the same moment. Of the rows it may leave out those that are not wanted.
	Snapshot(ctx context.Context, p ID, wanted func(key string) bool) (Snapshot[Row], error)
}

// Verification is what [Verify] found.
type Verification[Row any] struct {
	Rows        int   // that were compared
	Records     int64 // of the log that were read
	Differences []Difference[Row]
	Refused     []*HandlerError // events that the projection has passed, that were not set aside, and that its handlers refuse: in the fold they have no effect
}

// Difference is a row that is not what the log makes of it. Nil: there is none.
type Difference[Row any] struct {
	Key            string
	Stored, Folded *Row
}

// Verify compares a sample of the rows in a sink with a fold of the log, which it reads from its start up to the checkpoints of the sink. share is the part
// of the rows that is compared, 0 to 1; those of one key are always or never among them. The fold is kept in memory. Workers may go on meanwhile.
//
// With a share below 1, handlers must not read other rows than those that they change, nor rely on one that they wrote before: what is not in the sample does
// not exist for them. Rows are compared as JSON. What the events would have done that an operator dropped is among the differences.
func Verify[Row any](ctx context.Context, store *eventstore.Store, p *Projection[*Rows[Row]], sink Snapshotter[Row], share float64, opts ...Option) (v Verification[Row], err error) {
	wanted := sample(share)
	stored, err := sink.Snapshot(ctx, p.ID(), wanted)
	if err != nil {
		return v, fmt.Errorf("reading projection %s: %w", p.ID(), err)
	}
	f := &folding[Row]{projection: p, copier: newCopier[Row](), wanted: wanted, rows: map[string]Row{}, aside: map[place]bool{}}
	for _, e := range stored.Parked {
		f.aside[place{e.Partition, e.Offset}] = true
	}
	j := &job[*Rows[Row]]{store: store, projection: p, options: newOptions(opts)}
	if err := j.learn(); err != nil {
		return v, err
	}
	f.handlers = j.handlers
	j.options.policy = Park // an event that cannot be read is among those that were set aside, or a difference
	feed, err := j.feed(ctx, false)
	if err != nil {
		return v, err
	}
	if stored.Checkpoints.Source != (Source{}) && stored.Checkpoints.Source != feed.source() {
		return v, &DivergedError{Projection: p.ID(), Topic: feed.topic.Name, Reason: fmt.Sprintf("the checkpoint belongs to topic %q (id %s, log %s)",
			stored.Checkpoints.Source.Topic, stored.Checkpoints.Source.TopicID, stored.Checkpoints.Source.LogID)}
	}
	meter := newMeter(j.options.progress)
	for _, at := range stored.Checkpoints.Partitions {
		meter.expect(at.Next)
	}
	ctx = (&gate{from: NeverNew}).within(ctx)
	if err := f.setUp(ctx); err != nil {
		return v, err
	}
	feed.topic.Partitions = slices.Clone(feed.topic.Partitions)
	for partition := range feed.topic.Partitions {
		at := &feed.topic.Partitions[partition]
		at.End = max(at.End, stored.Checkpoints.Partitions[int32(partition)].Next) // it was passed, whatever a node that is behind says
		next := stored.Checkpoints.Partitions[int32(partition)].Next
		if err := f.fold(ctx, feed, int32(partition), next, meter); err != nil {
			return v, err
		}
		v.Records += next
	}
	meter.finish()
	if n, ok := any(sink).(interface{ AsStored(Row) (Row, error) }); ok {
		for key, row := range f.rows {
			if f.rows[key], err = n.AsStored(row); err != nil {
				return v, fmt.Errorf("row %q: %w", key, err)
			}
		}
	}
	v.Refused = f.refused
	v.Rows, v.Differences, err = compare(stored.Rows, f.rows)
	return v, err
}

// sample says which keys are in a part of all.
func sample(share float64) func(string) bool {
	if share >= 1 {
		return func(string) bool { return true }
	}
	limit := uint64(max(share, 0) * math.MaxUint64)
	return func(key string) bool {
		h := fnv.New64a()
		_, _ = h.Write([]byte(key)) // which cannot fail
		return h.Sum64()*0x9e3779b97f4a7c15 < limit
	}
}

// place is that of an event.
type place struct {
	partition int32
	offset    int64
}

// folding makes rows of the log, of which it keeps those that are wanted.
type folding[Row any] struct {
	projection *Projection[*Rows[Row]]
	handlers   map[reflect.Type][]Handler[*Rows[Row]]
	copier     copier[Row]
	wanted     func(string) bool
	rows       map[string]Row
	aside      map[place]bool
	refused    []*HandlerError
}

func (f *folding[Row]) load(_ context.Context, keys []string, found func(string, Row)) error {
	for _, key := range keys {
		row, ok := f.rows[key]
		if !ok {
			continue
		}
		row, err := f.copier.copy(row)
		if err != nil {
			return err
		}
		found(key, row)
	}
	return nil
}

func (f *folding[Row]) keep(rows *Rows[Row]) {
	for key, row := range rows.Changes() {
		switch {
		case row == nil:
			delete(f.rows, key)
		case f.wanted(key):
			f.rows[key] = *row
		}
	}
}

func (f *folding[Row]) setUp(ctx context.Context) error {
	if f.projection.setup == nil {
		return nil
	}
	rows := NewRows(f.load)
	err := call(func() error { return f.projection.setup(ctx, rows) })
	f.keep(rows)
	return err
}

// foldedAtOnce is how many events are folded into rows that are then kept.
const foldedAtOnce = 1024

// fold projects a partition up to an offset.
func (f *folding[Row]) fold(ctx context.Context, feed *feed, partition int32, next int64, meter *meter) error {
	var batch []delivery
	flush := func() error {
		err := f.apply(ctx, batch)
		batch = batch[:0]
		return err
	}
	done := int64(0)
	for d, err := range feed.deliveries(ctx, partition, Mark{}) {
		if err != nil {
			return err
		}
		if d.mark.Next > next {
			break
		}
		meter.add(d.mark.Next - done)
		done = d.mark.Next
		if d.handled && !f.aside[place{partition, d.mark.Next - 1}] {
			batch = append(batch, d)
		}
		if len(batch) == foldedAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// compare lists the rows that differ, by their keys.
func compare[Row any](stored, folded map[string]Row) (rows int, differences []Difference[Row], err error) {
	keys := map[string]bool{}
	for key := range stored {
		keys[key] = true
	}
	for key := range folded {
		keys[key] = true
	}
	for key := range keys {
		is, ok := stored[key]
		should, want := folded[key]
		d := Difference[Row]{Key: key}
		if ok {
			d.Stored = &is
		}
		if want {
			d.Folded = &should
		}
		same, err := sameJSON(d.Stored, d.Folded)
		if err != nil {
			return 0, nil, fmt.Errorf("comparing row %q: %w", key, err)
		}
		if !same {
			differences = append(differences, d)
		}
	}
	slices.SortFunc(differences, func(a, b Difference[Row]) int { return bytes.Compare([]byte(a.Key), []byte(b.Key)) })
	return len(keys), differences, nil
}

// apply handles events. One that is refused has no effect: the projection has passed it, so that an operator may have dropped it.
func (f *folding[Row]) apply(ctx context.Context, batch []delivery) error {
	if len(batch) == 0 {
		return nil
	}
	rows := NewRows(f.load)
	run := application[*Rows[Row]]{projection: f.projection, handlers: f.handlers, batch: batch, failed: -1}
	err := run.blame(run.apply(ctx, rows))
	failed := run.failed
	switch {
	case err == nil:
		f.keep(rows)
		return nil
	case ctx.Err() != nil, errors.Is(err, ErrTransient), errors.Is(err, ErrUnusable):
		return err
	case failed >= 0:
		if refused, ok := errors.AsType[*HandlerError](err); ok {
			f.refused = append(f.refused, refused)
		}
		return f.both(ctx, batch[:failed], batch[failed+1:])
	case errors.Is(err, ErrData) && len(batch) > 1:
		half := len(batch) / 2
		return f.both(ctx, batch[:half], batch[half:])
	}
	return err
}

func (f *folding[Row]) both(ctx context.Context, first, second []delivery) error {
	if err := f.apply(ctx, first); err != nil {
		return err
	}
	return f.apply(ctx, second)
}

// sameJSON compares values as JSON, whose objects have no order, and whose numbers may be written in several ways: a sink may keep JSON in a form of its own.
func sameJSON(a, b any) (bool, error) {
	x, err := json.Marshal(a)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b)
	if err != nil || bytes.Equal(x, y) {
		return err == nil, err
	}
	var parsed [2]any
	for i, text := range [][]byte{x, y} {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&parsed[i]); err != nil {
			return false, err
		}
		parsed[i] = plain(parsed[i])
	}
	return reflect.DeepEqual(parsed[0], parsed[1]), nil
}

// plain writes the numbers of a value in one way.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(v.String()), "e")
		if n, err := strconv.Atoi(cmp.Or(exponent, "0")); err != nil || n < -1000 || n > 1000 {
			return v // it would take a lot of digits
		}
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return json.Number(r.RatString())
		}
	}
	return v
}
