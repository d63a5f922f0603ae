package aggregates

import (
	"context"
	"fmt"
	"time"

	"github.com/strandlog/strand/eventstore"
)

// LoadOption makes Load return the past. Of several, the last counts.
type LoadOption func(*moment)

// moment is where a load ends; the zero value is the stream's end.
type moment struct {
	kind    momentKind
	version int64
	time    time.Time
}

type momentKind int

const (
	atEnd momentKind = iota
	atVersion
	atTime
)

// AtVersion loads the aggregate as its first n events left it. Version 0 is the aggregate before it existed.
func AtVersion(n int64) LoadOption {
	return func(m *moment) { *m = moment{kind: atVersion, version: n} }
}

// AtTime loads the aggregate as it was at t, with the events recorded at t included. The time is that of the log, in
// milliseconds; before the first event the aggregate does not exist.
func AtTime(t time.Time) LoadOption {
	return func(m *moment) { *m = moment{kind: atTime, time: t} }
}

// Load returns the aggregate with this key. One that does not exist has version 0 and the zero state, and is not an error.
//
// It returns an error that Is [ErrNoSuchVersion] (*[VersionError]) when the stream has not reached the version asked for.
func (r *Repository[S]) Load(ctx context.Context, key string, opts ...LoadOption) (Root[S], error) {
	var until moment
	for _, opt := range opts {
		opt(&until)
	}
	stream := r.typ.Stream(key)
	known, err := r.loadUntil(ctx, key, stream, until)
	if err != nil {
		return Root[S]{}, fmt.Errorf("loading %s: %w", stream, err)
	}
	return known.root(key, nil), nil
}

func (r *Repository[S]) loadUntil(ctx context.Context, key, stream string, until moment) (folded[S], error) {
	known := r.cache.get(key)
	switch until.kind {
	case atVersion:
		if until.version < 0 {
			return folded[S]{}, &VersionError{Stream: stream, Version: until.version}
		}
		if known.version > until.version {
			known = folded[S]{}
		}
		// A node that is behind is no reason to say that the version does not exist: the leader is asked before that.
		for _, strict := range []bool{false, true} {
			if known.version == until.version {
				return known, nil
			}
			if err := r.catchUp(ctx, stream, &known, strict, eventstore.ToVersion(until.version)); err != nil {
				return folded[S]{}, err
			}
		}
		if known.version < until.version {
			return folded[S]{}, &VersionError{Stream: stream, Version: until.version, End: known.version}
		}
		return known, nil
	case atTime:
		if known.time.After(until.time) {
			known = folded[S]{}
		}
		err := r.catchUp(ctx, stream, &known, false, eventstore.Until(until.time))
		return known, err
	default:
		if err := r.catchUp(ctx, stream, &known, false); err != nil {
			return folded[S]{}, err
		}
		r.cache.put(key, known)
		return known, nil
	}
}

// catchUp folds what the stream holds beyond known into it. When strict, that is at least what had been appended by anyone when
// catchUp was called.
func (r *Repository[S]) catchUp(ctx context.Context, stream string, known *folded[S], strict bool, bounds ...eventstore.StreamOption) error {
	opts := append(bounds, eventstore.FromVersion(known.version+1))
	if strict {
		opts = append(opts, eventstore.Strict())
	}
	for e, err := range r.store.Stream(ctx, stream, opts...) {
		if err != nil {
			return err
		}
		if err := known.evolve(e); err != nil {
			return err
		}
	}
	return nil
}
