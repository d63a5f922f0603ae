package table

import (
	"context"
	"encoding/json"
	"errors"
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
	for {
		about, aboutAt, err := readAbout(ctx, s.client, t)
		if err != nil {
			return nil, err
		}
		if about.Topic != "" && about.source() != c.Source() {
			return nil, &projections.DivergedError{Projection: c.ID(), Topic: c.Topic, Partition: c.Partition,
				Reason: fmt.Sprintf("the checkpoint belongs to topic %s (id %s, log %s), the worker reads topic %s (id %s, log %s)",
					about.Topic, about.TopicID, about.LogID, c.Topic, c.TopicID, c.LogID)}
		}
		var at checkpoint
		newest, err := read(ctx, s.client, t, checkpointKey(c.Partition), &at)
		if err != nil {
			return nil, err
		}
		if c.Epoch < at.Epoch {
			return nil, &projections.FencedError{Projection: c.ID(), Partition: c.Partition, Epoch: c.Epoch, Owner: at.Epoch}
		}
		at.Epoch, at.Lane, at.Paused = c.Epoch, at.Lane+1, about.Paused
		about.Topic, about.TopicID, about.LogID = c.Topic, c.TopicID, c.LogID
		if !slices.Contains(about.Partitions, c.Partition) {
			about.Partitions = append(about.Partitions, c.Partition)
			slices.Sort(about.Partitions)
		}
		offsets, err := u.Update(ctx, commitlog.Update{Key: []byte(projectionKey), Value: encoded(about), Newest: aboutAt},
			commitlog.Update{Key: checkpointKey(c.Partition), Value: encoded(at), Newest: newest})
		switch {
		case errors.Is(err, commitlog.ErrConflict):
			continue // somebody else was faster
		case err != nil:
			return nil, classified(err)
		}
		return &lane[Row]{
			client: s.client, topic: t, updater: u, claim: c, generation: about.Generation, checkpoint: at, newest: offsets[1], rows: map[string]held{},
		}, nil
	}
}

// Setup implements [projections.Sink].
func (s *Sink[Row]) Setup(ctx context.Context, p projections.ID, fn func(*projections.Rows[Row]) error) error {
	t, err := open(ctx, s.client, p, true)
	if err != nil {
		return err
	}
	u, err := s.client.Updater(t)
	if err != nil {
		return err
	}
	for {
		about, newest, err := readAbout(ctx, s.client, t)
		if err != nil || about.SetUp {
			return err
		}
		about.SetUp = true
		l := &lane[Row]{client: s.client, topic: t, updater: u, generation: about.Generation, rows: map[string]held{}}
		rows := projections.NewRows(l.load)
		if err := fn(rows); err != nil {
			return err
		}
		updates, err := l.updates(rows)
		if err != nil {
			return err
		}
		_, err = u.Update(ctx, append(updates, commitlog.Update{Key: []byte(projectionKey), Value: encoded(about), Newest: newest})...)
		if !errors.Is(err, commitlog.ErrConflict) {
			return classified(err)
		}
	}
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
	u, err := s.client.Updater(t)
	if err != nil {
		return err
	}
	for {
		about, newest, err := readAbout(ctx, s.client, t)
		if err != nil {
			return err
		}
		old := about.Generation
		updates := []commitlog.Update{{Key: []byte(projectionKey), Value: encoded(projection{Generation: old + 1, Partitions: about.Partitions, Paused: about.Paused}), Newest: newest}}
		for _, partition := range about.Partitions {
			var at checkpoint
			newest, err := read(ctx, s.client, t, checkpointKey(partition), &at)
			if err != nil {
				return err
			}
			parked, err := readAside(ctx, s.client, t, partition)
			if err != nil {
				return err
			}
			for _, c := range parked.chunks {
				c.events, c.changed = nil, true
			}
			updates = append(append(updates, parked.updates(partition)...),
				commitlog.Update{Key: checkpointKey(partition), Value: encoded(checkpoint{Epoch: at.Epoch, Lane: at.Lane + 1, Paused: at.Paused}), Newest: newest})
		}
		_, err = u.Update(ctx, updates...)
		switch {
		case errors.Is(err, commitlog.ErrConflict):
			continue
		case err != nil:
			return classified(err)
		}
		return s.clear(ctx, t, u, old)
	}
}

// deletedAtOnce is how many rows are deleted with one append.
const deletedAtOnce = 1000

// clear deletes the rows of all generations up to one: a reset may have been interrupted before it had deleted its own.
func (s *Sink[Row]) clear(ctx context.Context, t commitlog.Topic, u *commitlog.Updater, last int) error {
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
	parked := map[string][]projections.ParkedEvent{}
	stored := map[string][]byte{} // of all generations
	var about projection
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
			if strings.Count(key, "/") == 1 {
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
			if key == projectionKey {
				if err := json.Unmarshal(r.Value, &about); err != nil {
					return now, fmt.Errorf("table: offset %d: %w", r.Offset, err)
				}
			}
			if _, err := follow(&now.Checkpoints, &r); err != nil {
				return now, err
			}
		}
	}
	for key, value := range stored {
		name, ok := rowOf(about.Generation, []byte(key))
		if !ok {
			continue
		}
		var row Row
		if err := json.Unmarshal(value, &row); err != nil {
			return now, fmt.Errorf("table: row %q of projection %s: %w", name, p, err)
		}
		now.Rows[name] = row
	}
	for _, aside := range parked {
		now.Parked = append(now.Parked, aside...)
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
	now := projections.Checkpoints{Source: about.source(), Partitions: map[int32]projections.Checkpoint{}}
	for _, partition := range about.Partitions {
		var at checkpoint
		if _, err := read(ctx, s.client, t, checkpointKey(partition), &at); err != nil {
			return err
		}
		now.Partitions[partition] = projections.Checkpoint{Mark: at.mark(), Epoch: at.Epoch}
	}
	if !tell(clone(now)) {
		return nil
	}
	for r, err := range s.client.Records(ctx, t, 0, commitlog.Range{From: t.Partitions[0].End, Live: true}) {
		if err != nil {
			return classified(err)
		}
		changed, err := follow(&now, &r)
		if err != nil {
			return err
		}
		if changed && !tell(clone(now)) {
			return nil
		}
	}
	return ctx.Err()
}

// follow takes in one record, and says whether it changed a checkpoint or the source.
func follow(now *projections.Checkpoints, r *commitlog.Record) (changed bool, err error) {
	switch partition, isCheckpoint := partitionOf(r.Key); {
	case string(r.Key) == projectionKey:
		var about projection
		if err := json.Unmarshal(r.Value, &about); err != nil {
			return false, fmt.Errorf("table: offset %d: %w", r.Offset, err)
		}
		changed = now.Source != about.source()
		now.Source = about.source()
	case isCheckpoint:
		var at checkpoint
		if err := json.Unmarshal(r.Value, &at); err != nil {
			return false, fmt.Errorf("table: offset %d: %w", r.Offset, err)
		}
		is := projections.Checkpoint{Mark: at.mark(), Epoch: at.Epoch}
		changed = now.Partitions[partition] != is
		now.Partitions[partition] = is
	}
	return changed, nil
}

func clone(c projections.Checkpoints) projections.Checkpoints {
	c.Partitions = maps.Clone(c.Partitions)
	return c
}
