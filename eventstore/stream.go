package eventstore

import (
	"context"
	"iter"
	"math"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// StreamOption narrows what Stream yields.
type StreamOption func(*streamRange)

type streamRange struct {
	from, to int64
	until    *time.Time
	command  string
	strict   bool
}

// FromVersion begins at a version.
func FromVersion(v int64) StreamOption { return func(r *streamRange) { r.from = v } }

// ToVersion ends with a version.
func ToVersion(v int64) StreamOption { return func(r *streamRange) { r.to = v } }

// Until ends before the first event that was recorded after a time.
func Until(t time.Time) StreamOption { return func(r *streamRange) { r.until = &t } }

// ByCommand yields only what was appended under a command id.
func ByCommand(id string) StreamOption { return func(r *streamRange) { r.command = id } }

// Strict sees at least what had been appended, by anyone, when the read began, whoever leads the log meanwhile. It costs a commit.
func Strict() StreamOption { return func(r *streamRange) { r.strict = true } }

// Stream yields the events of one stream by ascending version; nothing if the stream does not exist.
// Errors: ErrInvalidName, ErrUnknownCategory, ErrUnknownType, ErrDecode.
func (s *Store) Stream(ctx context.Context, stream string, options ...StreamOption) iter.Seq2[Event, error] {
	r := streamRange{to: math.MaxInt64}
	for _, o := range options {
		o(&r)
	}
	return func(yield func(Event, error) bool) {
		if s.cfg.Observer == nil {
			s.load(ctx, stream, &r, yield)
			return
		}
		s.observeLoad(ctx, stream, &r, yield)
	}
}

// load reads one stream.
func (s *Store) load(ctx context.Context, stream string, r *streamRange, yield func(Event, error) bool) {
	name := StreamName(stream)
	if err := name.check(); err != nil {
		yield(Event{}, err)
		return
	}
	if !s.registry.categories[name.Category()] {
		yield(Event{}, &UnknownCategoryError{Stream: name})
		return
	}
	q := commitlog.StreamQuery{Stream: stream, From: r.from, CommandID: r.command, Strict: r.strict}
	for rec, err := range s.log.Stream(ctx, s.topic, q) {
		if err != nil {
			yield(Event{}, err)
			return
		}
		if rec.Version > r.to || r.until != nil && rec.Time.After(*r.until) {
			return
		}
		e, wanted, err := s.decode(&rec.Record)
		if err != nil {
			yield(Event{}, err)
			return
		}
		if wanted && !yield(e, nil) {
			return
		}
	}
}
