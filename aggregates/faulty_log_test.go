package aggregates_test

import (
	"context"
	"iter"
	"sync"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// faultyLog is a log that tests make misbehave. The zero hooks let everything through.
type faultyLog struct {
	eventstore.Log

	// append, when set, stands before each append; it may call next any number of times, or never.
	append func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error)

	// commit, when set, is called for each append and each strict read: what a commit takes.
	commit func()

	mu      sync.Mutex
	behind  int64 // guarded by mu; when positive, reads that are not strict end with this version, as from a leader that was deposed
	appends int   // guarded by mu
	reads   int   // guarded by mu
	strict  int   // guarded by mu
}

func newFaultyLog() *faultyLog { return &faultyLog{Log: eventstore.NewMemory()} }

func (l *faultyLog) Append(ctx context.Context, topic commitlog.Topic, a commitlog.Append) (commitlog.Appended, error) {
	l.mu.Lock()
	l.appends++
	l.mu.Unlock()
	if l.commit != nil {
		l.commit()
	}
	next := func() (commitlog.Appended, error) { return l.Log.Append(ctx, topic, a) }
	if l.append != nil {
		return l.append(a, next)
	}
	return next()
}

func (l *faultyLog) Stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) iter.Seq2[commitlog.StreamRecord, error] {
	l.mu.Lock()
	behind := l.behind
	l.reads++
	if q.Strict {
		l.strict++
	}
	l.mu.Unlock()
	return func(yield func(commitlog.StreamRecord, error) bool) {
		if q.Strict && l.commit != nil {
			l.commit()
		}
		for r, err := range l.Log.Stream(ctx, topic, q) {
			if err == nil && !q.Strict && behind > 0 && r.Version > behind {
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (l *faultyLog) setBehind(version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind = version
}

// counted returns how many calls fn made.
func (l *faultyLog) counted(fn func()) (c calls) {
	l.mu.Lock()
	before := calls{l.appends, l.reads, l.strict}
	l.mu.Unlock()
	fn()
	l.mu.Lock()
	defer l.mu.Unlock()
	return calls{l.appends - before.Appends, l.reads - before.Reads, l.strict - before.Strict}
}

type calls struct{ Appends, Reads, Strict int }
