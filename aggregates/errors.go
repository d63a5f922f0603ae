package aggregates

import (
	"errors"
	"fmt"
)

// The identities of this package's errors, for errors.Is. Each comes as the struct that is named beside it.
var (
	ErrNoSuchVersion = errors.New("aggregates: the stream does not have the version")     // *VersionError
	ErrInvalidEvent  = errors.New("aggregates: the event cannot be an event of its type") // *EventError
	ErrGap           = errors.New("aggregates: an event of the stream is missing")        // *GapError
)

// VersionError names a version that a stream does not have.
type VersionError struct {
	Stream  string
	Version int64 // asked for
	End     int64 // the stream's last version, 0 when it does not exist; not known, and 0, when Version is negative
}

func (e *VersionError) Error() string {
	if e.Version < 0 {
		return fmt.Sprintf("aggregates: stream %q has no version %d: versions count from 1, and 0 is before the first event", e.Stream, e.Version)
	}
	return fmt.Sprintf("aggregates: stream %q has no version %d: it ends at version %d", e.Stream, e.Version, e.End)
}

// Is reports whether target is ErrNoSuchVersion.
func (e *VersionError) Is(target error) bool { return target == ErrNoSuchVersion }

// EventError names an event that cannot be one of its aggregate's: Decide returned it and it cannot be read back, and then
// nothing was appended, or it was read from the stream and cannot evolve the state.
type EventError struct {
	Stream string
	GoType string
	Reason string // with the way out
	Cause  error  // may be nil
}

func (e *EventError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("aggregates: event %s of stream %q: %s: %v", e.GoType, e.Stream, e.Reason, e.Cause)
	}
	return fmt.Sprintf("aggregates: event %s of stream %q: %s", e.GoType, e.Stream, e.Reason)
}

// Is reports whether target is ErrInvalidEvent.
func (e *EventError) Is(target error) bool { return target == ErrInvalidEvent }

func (e *EventError) Unwrap() error { return e.Cause }

// GapError says that an event of a stream was not there to be read, so that the state of its aggregate cannot be known.
type GapError struct {
	Stream  string
	Version int64 // that is missing
	Next    int64 // that exists
}

func (e *GapError) Error() string {
	return fmt.Sprintf("aggregates: stream %q reaches version %d and version %d is missing: an aggregate needs all its events: "+
		"if the store skips unknown types, give the event's type a place in Type.Events or Type.Old, else look at the broker's log",
		e.Stream, e.Next, e.Version)
}

// Is reports whether target is ErrGap.
func (e *GapError) Is(target error) bool { return target == ErrGap }
