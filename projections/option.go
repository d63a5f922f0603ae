package projections

import (
	"log/slog"
	"time"
)

// Option changes how one call of [Run], [CatchUp] or [Rebuild] works.
type Option func(*options)

type options struct {
	stopTimeout time.Duration
	eventsMax   int
	bytesMax    int
	progress    func(Progress)
	observer    Observer // nil: none
	logger      *slog.Logger
	policy      Policy
	attempts    int // of an event, before the policy applies
}

func newOptions(opts []Option) options {
	o := options{stopTimeout: 10 * time.Second, eventsMax: 1024, bytesMax: 4 << 20, logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// StopTimeout is how long the commit under way may still take when ctx ends. Default: 10 s.
func StopTimeout(d time.Duration) Option {
	return func(o *options) { o.stopTimeout = d }
}

// CommitMax bounds one commit: at most that many events, and no more bytes of event data than that, except for a single
// larger event. Default: 1024 events, 4 MiB. As much again is read ahead for each partition.
func CommitMax(events, bytes int) Option {
	return func(o *options) { o.eventsMax, o.bytesMax = max(1, events), max(1, bytes) }
}

// OnProgress has fn called with the progress of a [CatchUp] or a [Rebuild]: at most ten times a second, and once at the end.
// Calls do not overlap; the worker waits for them.
func OnProgress(fn func(Progress)) Option {
	return func(o *options) { o.progress = fn }
}

// Logger has the worker tell there what it does about errors of the moment. Default: nowhere.
func Logger(l *slog.Logger) Option {
	return func(o *options) { o.logger = l }
}
