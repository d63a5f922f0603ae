package projections

import (
	"context"
	"fmt"
	"iter"
)

// Rows are the rows of a read model as one commit sees them, each under its key. Changes are kept in memory until the commit
// ends and then written all at once, a row that changed many times only once. Rows is used by one goroutine.
type Rows[Row any] struct {
	load    LoadRows[Row]
	held    map[string]*heldRow[Row]
	changed []string // keys in the order of their first change
}

// LoadRows reads the rows of keys and calls found for each one that exists. Rows takes ownership of what found is given.
type LoadRows[Row any] func(ctx context.Context, keys []string, found func(key string, row Row)) error

type heldRow[Row any] struct {
	row     Row
	exists  bool
	changed bool
}

// NewRows is for sinks: the rows of one commit, read through load when they are asked for.
func NewRows[Row any](load LoadRows[Row]) *Rows[Row] {
	return &Rows[Row]{load: load, held: make(map[string]*heldRow[Row])}
}

// Load reads the rows of keys in one go, so that using them afterwards costs no round trip. The worker calls it for the keys
// of all folds of a commit.
func (r *Rows[Row]) Load(ctx context.Context, keys ...string) error {
	var missing []string
	for _, key := range keys {
		if _, ok := r.held[key]; !ok {
			r.held[key] = &heldRow[Row]{}
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	err := r.load(ctx, missing, func(key string, row Row) {
		if h, ok := r.held[key]; ok {
			h.row, h.exists = row, true
		}
	})
	if err != nil {
		for _, key := range missing { // what was not read must not pass for a row that does not exist
			delete(r.held, key)
		}
		return fmt.Errorf("loading %d rows: %w", len(missing), err)
	}
	return nil
}

// Get reads a row; ok is false if there is none. The row may share slices, maps and pointers with the one that
// will be written: change rows through [Rows.Row] only.
func (r *Rows[Row]) Get(ctx context.Context, key string) (row Row, ok bool, err error) {
	h, err := r.hold(ctx, key)
	if err != nil {
		return row, false, err
	}
	return h.row, h.exists, nil
}

// Row gives the row of key to change, a new zero row if there is none. The pointer is good until the commit ends or the row
// is deleted.
func (r *Rows[Row]) Row(ctx context.Context, key string) (*Row, error) {
	h, err := r.hold(ctx, key)
	if err != nil {
		return nil, err
	}
	h.exists = true
	r.change(key, h)
	return &h.row, nil
}

// Delete removes the row of key, if there is one.
func (r *Rows[Row]) Delete(key string) {
	h, ok := r.held[key]
	if !ok {
		h = &heldRow[Row]{}
		r.held[key] = h
	}
	var zero Row
	h.row, h.exists = zero, false
	r.change(key, h)
}

// Changes is for sinks: every changed key once, in the order of the first change, with its row, nil if it was deleted.
func (r *Rows[Row]) Changes() iter.Seq2[string, *Row] {
	return func(yield func(string, *Row) bool) {
		for _, key := range r.changed {
			h := r.held[key]
			row := &h.row
			if !h.exists {
				row = nil
			}
			if !yield(key, row) {
				return
			}
		}
	}
}

func (r *Rows[Row]) hold(ctx context.Context, key string) (*heldRow[Row], error) {
	if h, ok := r.held[key]; ok {
		return h, nil
	}
	if err := r.Load(ctx, key); err != nil {
		return nil, err
	}
	return r.held[key], nil
}

func (r *Rows[Row]) change(key string, h *heldRow[Row]) {
	if !h.changed {
		h.changed = true
		r.changed = append(r.changed, key)
	}
}
