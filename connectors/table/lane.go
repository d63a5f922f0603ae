package table

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

// lane is a claimed partition.
type lane[Row any] struct {
	client     *commitlog.Client
	topic      commitlog.Topic
	updater    *commitlog.Updater
	claim      projections.Claim
	about      projection // as this lane saw it last
	aboutAt    int64      // its offset
	checkpoint checkpoint // as this lane wrote it last
	newest     int64      // its offset
	rows       map[string]held
	bytes      int             // that they take
	old        map[string]bool // rows that the commit under way was given as they were known before
	closed     bool

	parking parking // of the commit under way
	emptied []int   // chunks of parked events in which there were none, when it looked last
}

// held is a row as this lane knows it.
type held struct {
	newest int64  // its offset; NoRecord: there is none
	value  []byte // nil: there is none
}

// What a lane holds of rows, at most: so many, and so much.
const (
	heldMax      = 64 << 10
	heldBytesMax = 32 << 20
)

// hold keeps a row.
func (l *lane[Row]) hold(key string, h held) {
	if former, ok := l.rows[key]; ok {
		l.bytes -= len(key) + len(former.value)
	}
	l.rows[key] = h
	l.bytes += len(key) + len(h.value)
}

// forget has all rows be read again.
func (l *lane[Row]) forget() { l.rows, l.bytes = map[string]held{}, 0 }

// Checkpoint is the mark of the last commit.
func (l *lane[Row]) Checkpoint() projections.Mark { return l.checkpoint.mark() }

// NewFrom implements [projections.Gated].
func (l *lane[Row]) NewFrom() int64 { return l.checkpoint.NewFrom }

// Owned implements [projections.Gated].
func (l *lane[Row]) Owned(ctx context.Context) error {
	about, _, _, _, err := l.owned(ctx)
	if err == nil && about.Paused {
		err = projections.Paused(l.claim.ID())
	}
	return classified(err)
}

// owned reads what the topic is about, and the checkpoint, and refuses a lane that has lost its partition.
func (l *lane[Row]) owned(ctx context.Context) (about projection, aboutAt int64, at checkpoint, newest int64, err error) {
	if about, aboutAt, err = readAbout(ctx, l.client, l.topic); err != nil {
		return about, aboutAt, at, newest, err
	}
	at, newest, err = readCheckpoint(ctx, l.client, l.topic, &about, l.claim.Partition)
	if err == nil && (at.Lane != l.checkpoint.Lane || about.Generation != l.about.Generation) {
		err = &projections.FencedError{Projection: l.claim.ID(), Partition: l.claim.Partition, Epoch: l.claim.Epoch, Owner: at.Epoch}
	}
	return about, aboutAt, at, newest, err
}

// Close releases the lane.
func (l *lane[Row]) Close() error {
	l.closed = true
	return nil
}

// Commit implements [projections.Lane].
func (l *lane[Row]) Commit(ctx context.Context, next projections.Mark, fn func(*projections.Rows[Row]) error) error {
	switch {
	case l.closed:
		return errors.New("commit on a closed lane")
	case next.Next < l.checkpoint.Next:
		return fmt.Errorf("a checkpoint cannot go back from %d to %d", l.checkpoint.Next, next.Next)
	case l.about.Paused: // is it still?
		if err := l.look(ctx); err != nil {
			return classified(err)
		}
	}
	for try := 1; ; try++ {
		beaten, err := l.attempt(ctx, next, fn)
		if !beaten {
			return classified(err)
		}
		if try == triesMax { // fewer events change fewer rows
			return &projections.TransientError{Err: fmt.Errorf("other partitions have changed the rows of this commit each time that it was tried, %d times: %w", try, err)}
		}
	}
}

// triesMax is how often a commit is tried whose rows others change.
const triesMax = 16

// attempt makes a commit once. It was beaten when others have changed its rows meanwhile, and another attempt may succeed.
func (l *lane[Row]) attempt(ctx context.Context, next projections.Mark, fn func(*projections.Rows[Row]) error) (beaten bool, err error) {
	rows := projections.NewRows(l.load)
	l.parking, l.old = parking{}, map[string]bool{}
	refused := fn(rows)
	if refused == nil { // whether others have changed these is found out as they are written
		for key := range rows.Changes() {
			delete(l.old, key)
		}
	}
	if stale, err := l.refresh(ctx); stale {
		return true, errStale
	} else if err := cmp.Or(refused, err); err != nil {
		return false, err
	}
	if err = l.write(ctx, l.checkpoint.at(next), rows); !isConflict(err) {
		return false, err
	}
	used := slices.Collect(maps.Keys(l.rows))
	if err := l.look(ctx); err != nil {
		return false, err
	}
	if len(used) <= loadsAgain {
		if err := l.fetch(ctx, used); err != nil { // at once, and not one after the other as handlers ask for them
			return false, err
		}
	}
	return true, err
}

var errStale = errors.New("what it has read was changed")

// loadsAgain is how many rows are read again after a conflict before anybody asks for them.
const loadsAgain = 1024

// refresh reads again what the commit was given as it was known before: nothing else would tell that others have changed it. It says whether they have.
func (l *lane[Row]) refresh(ctx context.Context) (stale bool, err error) {
	if len(l.old) == 0 {
		return false, nil
	}
	known := make(map[string]int64, len(l.old))
	for key := range l.old {
		known[key] = l.rows[key].newest
	}
	if err := l.fetch(ctx, slices.Collect(maps.Keys(known))); err != nil {
		return false, err
	}
	for key, newest := range known {
		stale = stale || l.rows[key].newest != newest
	}
	return stale, nil
}

// write stores the changed rows and the checkpoint.
func (l *lane[Row]) write(ctx context.Context, at checkpoint, rows *projections.Rows[Row]) error {
	updates, err := l.updates(rows)
	if err != nil {
		return err
	}
	aside, err := l.setAside(ctx)
	if err != nil {
		return err
	}
	n := len(updates)
	updates = append(append(updates, aside...), commitlog.Update{Key: []byte(projectionKey), Newest: l.aboutAt, Unchanged: true},
		commitlog.Update{Key: checkpointKey(l.claim.Partition), Value: encoded(at), Newest: l.newest})
	offsets, err := l.updater.Update(ctx, updates...)
	if err != nil {
		return err
	}
	l.checkpoint, l.newest = at, offsets[len(offsets)-1]
	if len(l.rows) > heldMax || l.bytes > heldBytesMax {
		l.forget()
	}
	for i := range updates[:n] {
		key, _ := rowOf(l.about.Generation, updates[i].Key)
		l.hold(key, held{offsets[i], updates[i].Value})
	}
	return nil
}

// updates are the rows that were changed.
func (l *lane[Row]) updates(rows *projections.Rows[Row]) (updates []commitlog.Update, err error) {
	for key, row := range rows.Changes() {
		known, read := l.rows[key]
		u := commitlog.Update{Key: rowKey(l.about.Generation, key), Newest: known.newest}
		if len(key) > keyBytesMax {
			return nil, &projections.DataError{Err: fmt.Errorf("table: row %.50q…: its key has %d bytes, at most %d are allowed", key, len(key), keyBytesMax)}
		}
		if !read {
			u.Newest = commitlog.AnyRecord // it was deleted without a look
		}
		if row != nil {
			if u.Value, err = json.Marshal(row); err != nil {
				return nil, &projections.DataError{Err: fmt.Errorf("table: row %q: %w", key, err)}
			}
		} else if read && known.value == nil {
			continue // there was none
		}
		updates = append(updates, u)
	}
	return updates, nil
}

// look finds out why a commit was refused: an error when the lane has lost its partition, when nothing is to be committed, or when an earlier commit turns out
// to have taken place.
func (l *lane[Row]) look(ctx context.Context) error {
	about, aboutAt, at, newest, err := l.owned(ctx)
	if err != nil {
		return err
	}
	l.forget() // some of them were changed by others, or moved by the cleaner
	landed := at.mark() != l.checkpoint.mark()
	l.about, l.aboutAt, l.checkpoint, l.newest = about, aboutAt, at, newest
	switch {
	case landed:
		return &projections.TransientError{Err: errors.New("a commit whose outcome was unknown took place")}
	case about.Paused:
		return projections.Paused(l.claim.ID())
	}
	return nil
}

// loadsAtOnce is how many rows are asked for at the same time.
const loadsAtOnce = 64

// load reads rows, those first that this lane knows.
func (l *lane[Row]) load(ctx context.Context, keys []string, found func(string, Row)) error {
	var missing []string
	for _, key := range keys {
		if _, ok := l.rows[key]; !ok {
			missing = append(missing, key)
		} else if l.old != nil {
			l.old[key] = true
		}
	}
	if err := l.fetch(ctx, missing); err != nil {
		return err
	}
	for _, key := range keys {
		value := l.rows[key].value
		if value == nil {
			continue
		}
		var row Row
		if err := json.Unmarshal(value, &row); err != nil {
			return fmt.Errorf("table: row %q: %w", key, err)
		}
		found(key, row)
	}
	return nil
}

func (l *lane[Row]) fetch(ctx context.Context, keys []string) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	turns := make(chan struct{}, loadsAtOnce)
	for _, key := range keys {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			r, ok, err := l.client.Get(ctx, l.topic, rowKey(l.about.Generation, key))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, err)
				return
			}
			h := held{newest: r.Offset}
			if ok {
				h.value = r.Value
			}
			l.hold(key, h)
		})
	}
	group.Wait()
	return failed
}
