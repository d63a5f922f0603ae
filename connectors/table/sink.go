package table

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// Sink keeps the rows of folds in a table topic.
type Sink[Row any] struct{ client *commitlog.Client }

// New makes a sink.
func New[Row any](client *commitlog.Client) *Sink[Row] { return &Sink[Row]{client} }

// Claim implements [projections.Sink].
func (s *Sink[Row]) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[Row]], error) {
	t, err := open(ctx, s.client, c.ID(), true)
	if err != nil {
		return nil, err
	}
	u, err := s.client.Updater(t)
	if err != nil {
		return nil, err
	}
	var at checkpoint
	about, aboutAt, offsets, err := alter(ctx, s.client, t, func(about *projection) ([]commitlog.Update, error) {
		if err := about.claimed(c); err != nil {
			return nil, err
		}
		var newest int64
		if at, newest, err = readCheckpoint(ctx, s.client, t, about, c.Partition); err != nil {
			return nil, err
		}
		if c.Epoch < at.Epoch {
			return nil, &projections.FencedError{Projection: c.ID(), Partition: c.Partition, Epoch: c.Epoch, Owner: at.Epoch}
		}
		if at.Lane == 0 { // the first time
			if at.NewFrom, err = passedBefore(ctx, s.client, c); err != nil {
				return nil, err
			}
		}
		at.Epoch, at.Lane = c.Epoch, at.Lane+1
		return []commitlog.Update{{Key: checkpointKey(c.Partition), Value: encoded(at), Newest: newest}}, nil
	})
	if err != nil {
		return nil, err
	}
	l := &lane[Row]{client: s.client, topic: t, updater: u, claim: c, about: about, aboutAt: aboutAt, checkpoint: at, newest: offsets[0]}
	l.forget()
	return l, nil
}

// passedBefore is how far the version before has passed a partition that this one claims for the first time.
func passedBefore(ctx context.Context, client *commitlog.Client, c projections.Claim) (int64, error) {
	if c.Version == 1 {
		return 0, nil
	}
	topics, err := client.Topics(ctx)
	if err != nil {
		return 0, classified(err)
	}
	var before []projections.ID
	for _, t := range topics {
		if id, ok := idOf(t.Name); ok && id.Name == c.Projection && id.Version < c.Version {
			before = append(before, id)
		}
	}
	slices.SortFunc(before, func(a, b projections.ID) int { return b.Version - a.Version })
	for _, id := range before {
		passed, err := passedOf(ctx, client, id, c)
		if !isUnknown(err) { // otherwise it was deleted this moment
			return passed, err
		}
	}
	return 0, nil
}

// passedOf is how far a version has passed a partition of the topic that is claimed.
func passedOf(ctx context.Context, client *commitlog.Client, id projections.ID, c projections.Claim) (int64, error) {
	t, err := open(ctx, client, id, false)
	if err != nil {
		return 0, err
	}
	about, _, err := readAbout(ctx, client, t)
	if err != nil {
		return 0, err
	}
	at, _, err := readCheckpoint(ctx, client, t, &about, c.Partition)
	if err != nil || about.TopicID != c.TopicID {
		return 0, err
	}
	return max(at.Next, at.NewFrom), nil
}

// Setup implements [projections.Sink].
func (s *Sink[Row]) Setup(ctx context.Context, p projections.ID, fn func(*projections.Rows[Row]) error) error {
	t, err := open(ctx, s.client, p, true)
	if err != nil {
		return err
	}
	_, _, _, err = alter(ctx, s.client, t, func(about *projection) ([]commitlog.Update, error) {
		if about.SetUp {
			return nil, errAsItIs
		}
		about.SetUp = true
		l := &lane[Row]{client: s.client, topic: t, about: *about}
		l.forget()
		rows := projections.NewRows(l.load)
		if err := fn(rows); err != nil {
			return nil, err
		}
		return l.updates(rows)
	})
	return err
}

// Reset implements [projections.Sink]. The rows are gone at once; then they are deleted.
func (s *Sink[Row]) Reset(ctx context.Context, p projections.ID) error {
	t, err := open(ctx, s.client, p, false)
	if isUnknown(err) {
		return nil
	}
	if err != nil {
		return err
	}
	about, _, _, err := alter(ctx, s.client, t, func(about *projection) ([]commitlog.Update, error) {
		about.reset()
		return nil, nil
	})
	if err != nil {
		return err
	}
	return s.clear(ctx, t, about.Generation-1)
}

// deletedAtOnce is how many rows are deleted with one append.
const deletedAtOnce = 1000

// clear deletes what is of all generations up to one: a reset may have been interrupted before it had deleted its own.
func (s *Sink[Row]) clear(ctx context.Context, t commitlog.Topic, last int) error {
	u, err := s.client.Updater(t)
	if err != nil {
		return err
	}
	stored := map[string]bool{}
	for r, err := range s.client.Records(ctx, t, 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil {
			return classified(err)
		}
		generation, ok := generationOf(r.Key)
		switch {
		case !ok || generation > last:
		case r.Value == nil:
			delete(stored, string(r.Key))
		default:
			stored[string(r.Key)] = true
		}
	}
	for keys := range slices.Chunk(slices.Collect(maps.Keys(stored)), deletedAtOnce) {
		updates := make([]commitlog.Update, len(keys))
		for i, key := range keys {
			updates[i] = commitlog.Update{Key: []byte(key), Newest: commitlog.AnyRecord}
		}
		if _, err := u.Update(ctx, updates...); err != nil {
			return classified(err)
		}
	}
	return nil
}

// stored reads the rows of a generation, as they are encoded.
func (s *Sink[Row]) stored(ctx context.Context, t commitlog.Topic, generation int) (map[string][]byte, error) {
	rows := map[string][]byte{}
	for r, err := range s.client.Records(ctx, t, 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil {
			return nil, classified(err)
		}
		key, ok := rowOf(generation, r.Key)
		switch {
		case !ok:
		case r.Value == nil:
			delete(rows, key)
		default:
			rows[key] = r.Value
		}
	}
	return rows, nil
}

// Get reads the row of a key as it was committed last.
func (s *Sink[Row]) Get(ctx context.Context, p *projections.Projection[*projections.Rows[Row]], key string) (row Row, ok bool, err error) {
	t, err := open(ctx, s.client, p.ID(), false)
	if isUnknown(err) {
		return row, false, nil
	}
	if err != nil {
		return row, false, err
	}
	about, _, err := readAbout(ctx, s.client, t)
	if err != nil {
		return row, false, err
	}
	r, ok, err := s.client.Get(ctx, t, rowKey(about.Generation, key), commitlog.Strict())
	if err != nil || !ok {
		return row, false, classified(err)
	}
	return row, true, json.Unmarshal(r.Value, &row)
}

// All reads all rows. Each is as it was at some moment of the call.
func (s *Sink[Row]) All(ctx context.Context, p *projections.Projection[*projections.Rows[Row]]) (map[string]Row, error) {
	t, err := open(ctx, s.client, p.ID(), false)
	if isUnknown(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	about, _, err := readAbout(ctx, s.client, t)
	if err != nil {
		return nil, err
	}
	stored, err := s.stored(ctx, t, about.Generation)
	if err != nil {
		return nil, err
	}
	rows := make(map[string]Row, len(stored))
	for key, value := range stored {
		var row Row
		if err := json.Unmarshal(value, &row); err != nil {
			return nil, fmt.Errorf("table: row %q of projection %s: %w", key, p.ID(), err)
		}
		rows[key] = row
	}
	return rows, nil
}

// Snapshot implements [projections.Snapshotter]: it reads the topic from its start up to where it ends at first.
func (s *Sink[Row]) Snapshot(ctx context.Context, p projections.ID, wanted func(key string) bool) (now projections.Snapshot[Row], err error) {
	now.Checkpoints.Partitions, now.Rows = map[int32]projections.Checkpoint{}, map[string]Row{}
	t, err := open(ctx, s.client, p, false)
	if isUnknown(err) {
		return now, nil
	}
	if err != nil {
		return now, err
	}
	parked := map[string][]projections.ParkedEvent{} // of all generations
	stored := map[string][]byte{}                    // also
	seen := view{at: map[int32]checkpoint{}}
	for r, err := range s.client.Records(ctx, t, 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil {
			return now, classified(err)
		}
		key := string(r.Key)
		switch {
		case strings.HasPrefix(key, rowPrefix):
			if r.Value == nil {
				delete(stored, key)
			} else if _, name, _ := strings.Cut(strings.TrimPrefix(key, rowPrefix), "/"); wanted(name) {
				stored[key] = r.Value
			}
		case strings.HasPrefix(key, parkedPrefix):
			if strings.Count(key, "/") == 2 {
				continue // the index: all chunks are read
			}
			var events []projections.ParkedEvent
			if r.Value != nil {
				if err := json.Unmarshal(r.Value, &events); err != nil {
					return now, fmt.Errorf("table: offset %d: %w", r.Offset, err)
				}
			}
			parked[key] = events
		default:
			if err := seen.take(&r); err != nil {
				return now, err
			}
		}
	}
	now.Checkpoints = seen.checkpoints()
	for key, value := range stored {
		name, ok := rowOf(seen.about.Generation, []byte(key))
		if !ok {
			continue
		}
		var row Row
		if err := json.Unmarshal(value, &row); err != nil {
			return now, fmt.Errorf("table: row %q of projection %s: %w", name, p, err)
		}
		now.Rows[name] = row
	}
	for key, aside := range parked {
		if generation, _ := generationOf([]byte(key)); generation == seen.about.Generation {
			now.Parked = append(now.Parked, aside...)
		}
	}
	return now, nil
}

// AsStored gives what is kept of a row: what its JSON says.
func (s *Sink[Row]) AsStored(row Row) (kept Row, err error) {
	text, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	return kept, err
}

// lookEvery is how often a watch looks whether a topic is there that is not.
const lookEvery = 100 * time.Millisecond

// Watch implements [projections.Sink].
func (s *Sink[Row]) Watch(ctx context.Context, p projections.ID) iter.Seq2[projections.Checkpoints, error] {
	return func(yield func(projections.Checkpoints, error) bool) {
		err := s.watch(ctx, p, func(now projections.Checkpoints) bool { return yield(now, nil) })
		if err != nil {
			yield(projections.Checkpoints{}, err)
		}
	}
}

func (s *Sink[Row]) watch(ctx context.Context, p projections.ID, tell func(projections.Checkpoints) bool) error {
	empty := projections.Checkpoints{Partitions: map[int32]projections.Checkpoint{}}
	t, err := open(ctx, s.client, p, false)
	for told := false; isUnknown(err); t, err = open(ctx, s.client, p, false) {
		if !told && !tell(empty) {
			return nil
		}
		told = true
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err != nil {
		return err
	}
	// What is written from here on is read below; what is read before may be newer than its beginning, which does no harm.
	about, _, err := readAbout(ctx, s.client, t)
	if err != nil {
		return err
	}
	seen := view{about: about, at: map[int32]checkpoint{}}
	for _, partition := range about.Partitions {
		var at checkpoint
		if _, err := read(ctx, s.client, t, checkpointKey(partition), &at); err != nil {
			return err
		}
		seen.at[partition] = at
	}
	told := seen.checkpoints()
	if !tell(told) {
		return nil
	}
	for r, err := range s.client.Records(ctx, t, 0, commitlog.Range{From: t.Partitions[0].End, Live: true}) {
		if err != nil {
			return classified(err)
		}
		if err := seen.take(&r); err != nil {
			return err
		}
		now := seen.checkpoints()
		if now.Source == told.Source && maps.Equal(now.Partitions, told.Partitions) {
			continue
		}
		if told = now; !tell(now) {
			return nil
		}
	}
	return ctx.Err()
}
