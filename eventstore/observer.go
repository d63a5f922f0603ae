package eventstore

import (
	"context"
	"errors"

	"github.com/strandlog/strand/commitlog"
)

// Observer is told what a store does and how it ended. Each method is called when something begins, gives the context with which it goes on,
// and a function that is called once with how it ended. Metadata that AppendStart adds to its context ([WithMetadata]) are stored with the
// events: this is how they carry the trace that they were made in.
//
// Package telemetry has one that makes metrics and traces. Without one, nothing is measured and nothing allocated.
type Observer interface {
	// AppendStart is called for every append, the ones that turn out to be invalid too.
	AppendStart(ctx context.Context, a AppendInfo) (context.Context, func(AppendResult))
	// LoadStart is called when the reading of one stream begins. It ends when the reader has had enough.
	LoadStart(ctx context.Context, l LoadInfo) (context.Context, func(LoadResult))
}

// AppendInfo is an append that begins. Stream, category and expectation are those of its first write.
type AppendInfo struct {
	Topic    string
	Category string // empty, unless the store was opened with it
	Stream   string
	Expected Expected
	Writes   int
	Events   int
}

// AppendResult is how an append ended.
type AppendResult struct {
	Conflict  bool // a stream was not as expected, or a condition did not hold
	Duplicate bool
	Err       error
}

// LoadInfo is the reading of one stream.
type LoadInfo struct {
	Topic    string
	Category string // empty, unless the store was opened with it
	Stream   string
	From     int64 // version; 0 and 1: from the start
}

// LoadResult is how the reading of a stream ended.
type LoadResult struct {
	Events int
	Err    error
}

func (s *Store) appendInfo(writes []Write) AppendInfo {
	info := AppendInfo{Topic: s.topic.Name, Writes: len(writes)}
	for i := range writes {
		info.Events += len(writes[i].Events)
	}
	if len(writes) > 0 {
		info.Stream, info.Expected, info.Category = writes[0].Stream, writes[0].Expected, s.known(writes[0].Stream)
	}
	return info
}

func appendResult(stored []Appended, err error) AppendResult {
	return AppendResult{Conflict: errors.Is(err, ErrConflict) || errors.Is(err, commitlog.ErrConditionFailed), Duplicate: len(stored) > 0 && stored[0].Duplicate, Err: err}
}

// observeLoad counts what a read yields, from when it begins until its reader has had enough.
func (s *Store) observeLoad(ctx context.Context, stream string, in *streamRange, yield func(Event, error) bool) {
	ctx, done := s.cfg.Observer.LoadStart(ctx, LoadInfo{Topic: s.topic.Name, Category: s.known(stream), Stream: stream, From: in.from})
	var r LoadResult
	defer func() { done(r) }() // the reader may panic
	s.load(ctx, stream, in, func(e Event, err error) bool {
		if r.Err = err; err == nil {
			r.Events++
		}
		return yield(e, err)
	})
}

// known is the category of a stream if the store was opened with it: what else there may be has no bound.
func (s *Store) known(stream string) string {
	if c := StreamName(stream).Category(); s.registry.categories[c] {
		return c
	}
	return ""
}
