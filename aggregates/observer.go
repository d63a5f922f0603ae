package aggregates

import "context"

// Observer is told what a repository does and how it ended. What is loaded and appended on the way, the store's own observer is told.
//
// Package telemetry has one that makes metrics and traces. Without one, nothing is measured and nothing allocated.
type Observer interface {
	// HandleStart is called when a command is to be handled, before it waits for the ones before it. It gives the context with which the
	// handling goes on, and a function that is called once with how it ended.
	HandleStart(ctx context.Context, h HandleInfo) (context.Context, func(HandleResult))
}

// HandleInfo is a command that is to be handled.
type HandleInfo struct {
	Category string
	Stream   string
	Command  any
}

// HandleResult is how the handling of a command ended.
type HandleResult struct {
	Events  int  // that the caller gets: 0 when nothing followed from the command
	Retries int  // decided again, because others were faster
	Refused bool // Err is the answer of Decide
	Err     error
}
