package engine

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by everything after Close.
	ErrClosed = errors.New("engine is closed")

	// ErrDisabled means that the engine has given up its store, as it does when the disk is full or fails.
	// Nothing can be appended until [Engine.Restart].
	ErrDisabled = errors.New("engine has disabled its store")

	// ErrElecting means that the engines of a cluster agree on no leader for what was asked at the moment. Asking again helps, once they do.
	ErrElecting = errors.New("the engines have no leader for it at the moment")

	// ErrPeers means that fewer engines of a cluster are there than copies are asked for, as for a moment after they have started. Asking again helps, once
	// they are.
	ErrPeers = errors.New("too few engines are there for so many copies")

	// ErrSpace is what a [SpaceError] is.
	ErrSpace = errors.New("engine is short of disk space")

	// ErrStart is what a [StartError] is.
	ErrStart = errors.New("engine did not start")

	// ErrListen is what a [ListenError] is.
	ErrListen = errors.New("engine cannot listen")

	// ErrConfig is what a [ConfigError] is.
	ErrConfig = errors.New("engine stream has another configuration")

	// ErrInvalidName is what a [NameError] is.
	ErrInvalidName = errors.New("invalid engine stream name")

	// ErrUnknownStream is what an [UnknownStreamError] is.
	ErrUnknownStream = errors.New("unknown engine stream")

	// ErrGap is what a [GapError] is.
	ErrGap = errors.New("engine stream has a gap")

	// ErrStalled means that the engine accepted a read and then did not deliver what it holds. Reading again may help.
	ErrStalled = errors.New("engine stalled")
)

// DisabledError says what the engine could not write. It is an ErrDisabled.
type DisabledError struct{ Cause error }

func (e *DisabledError) Error() string {
	return fmt.Sprintf("engine has disabled its store: %v: it takes appends again when it was restarted and can write", e.Cause)
}

// Is makes errors.Is(err, ErrDisabled) true.
func (e *DisabledError) Is(target error) bool { return target == ErrDisabled }

func (e *DisabledError) Unwrap() error { return e.Cause }

// StartError says why the engine did not start. It is an ErrStart.
type StartError struct {
	Dir string
	Err error
}

func (e *StartError) Error() string {
	return fmt.Sprintf("engine did not start on %s: %v", e.Dir, e.Err)
}

// Is makes errors.Is(err, ErrStart) true.
func (e *StartError) Is(target error) bool { return target == ErrStart }

func (e *StartError) Unwrap() error { return e.Err }

// ListenError names an address that the engine cannot listen on. It is an ErrListen.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("engine cannot listen on %s: %v", e.Address, e.Err)
}

// Is makes errors.Is(err, ErrListen) true.
func (e *ListenError) Is(target error) bool { return target == ErrListen }

func (e *ListenError) Unwrap() error { return e.Err }

// SpaceError says how little room is left. It is an ErrSpace.
type SpaceError struct {
	Dir             string
	Free, FreeMin   int64 // bytes of the volume
	Store, StoreMax int64 // bytes of the engine streams
}

func (e *SpaceError) Error() string {
	if e.Free < e.FreeMin {
		return fmt.Sprintf("engine is short of disk space: %d bytes are free on the volume of %s, %d are needed: free or add space", e.Free, e.Dir, e.FreeMin)
	}
	return fmt.Sprintf("engine is short of disk space: it holds %d of at most %d bytes in %s: delete topics or raise StoreBytesMax", e.Store, e.StoreMax, e.Dir)
}

// Is makes errors.Is(err, ErrSpace) true.
func (e *SpaceError) Is(target error) bool { return target == ErrSpace }

// ConfigError names the first setting of an engine stream that is not what it must be. It is an ErrConfig:
// someone changed the stream behind the node's back, so none of the log's guarantees can be given.
type ConfigError struct {
	Stream    string
	Field     string
	Want, Got string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("engine stream %s: %s is %s, must be %s: restore the stream's settings or the data directory from a backup", e.Stream, e.Field, e.Got, e.Want)
}

// Is makes errors.Is(err, ErrConfig) true.
func (e *ConfigError) Is(target error) bool { return target == ErrConfig }

// NameError names an engine stream that cannot be. It is an ErrInvalidName.
type NameError struct{ Name string }

func (e *NameError) Error() string {
	return fmt.Sprintf("invalid engine stream name %q: it must have 1 to %d letters, digits, dashes and underscores", e.Name, nameBytesMax)
}

// Is makes errors.Is(err, ErrInvalidName) true.
func (e *NameError) Is(target error) bool { return target == ErrInvalidName }

// UnknownStreamError names an engine stream that does not exist. It is an ErrUnknownStream.
type UnknownStreamError struct{ Stream string }

func (e *UnknownStreamError) Error() string {
	return fmt.Sprintf("unknown engine stream %s: it was deleted, never created, or could not be recovered (see the engine's log)", e.Stream)
}

// Is makes errors.Is(err, ErrUnknownStream) true.
func (e *UnknownStreamError) Is(target error) bool { return target == ErrUnknownStream }

// GapError says that an engine stream does not hold a sequence that it must hold. It is an ErrGap.
type GapError struct {
	Stream string
	Want   uint64 // the first missing sequence
	Got    uint64 // the sequence found instead, if any
}

func (e *GapError) Error() string {
	if e.Got == 0 {
		return fmt.Sprintf("engine stream %s has a gap: sequence %d is missing", e.Stream, e.Want)
	}
	return fmt.Sprintf("engine stream %s has a gap: sequence %d is missing, %d follows", e.Stream, e.Want, e.Got)
}

// Is makes errors.Is(err, ErrGap) true.
func (e *GapError) Is(target error) bool { return target == ErrGap }
