package projections

import (
	"errors"
	"fmt"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// The identities of this package's errors, for errors.Is. Those with details come as the struct that is named beside them.
var (
	ErrHandler           = errors.New("projections: a handler refused an event")                      // *HandlerError
	ErrFenced            = errors.New("projections: the partition has another owner")                 // *FencedError
	ErrInvalid           = errors.New("projections: the projection is not valid")                     // *InvalidError
	ErrSinkInUse         = errors.New("projections: the sink belongs to another projection")          //
	ErrStopTimeout       = errors.New("projections: a handler did not finish in time for the stop")   //
	ErrData              = errors.New("projections: the sink cannot keep what an event has it write") // *DataError
	ErrUnusable          = errors.New("projections: the sink cannot take any event")                  // *UnusableError
	ErrTransient         = errors.New("projections: the sink may succeed if it is asked again")       // *TransientError
	ErrUnknownProjection = errors.New("projections: no such projection")                              // *UnknownProjectionError
	ErrLogDiverged       = commitlog.ErrLogDiverged                                                   // *DivergedError
	ErrUnreachable       = eventstore.ErrUnreachable                                                  // *eventstore.UnreachableError
)

// HandlerError stops a worker: the event at Position has no effect in the sink, and everything before it in its partition has.
// Once the cause is removed, the next Run begins with this event.
type HandlerError struct {
	Projection ID
	Position   eventstore.Position
	Stream     string
	Type       string // of the event, as on the log
	Err        error  // what the handler returned; a *PanicError if it panicked
}

func (e *HandlerError) Error() string {
	return fmt.Sprintf("projections: %s stopped at %s, %s of stream %q: %v", e.Projection, e.Position, e.Type, e.Stream, e.Err)
}

// Is reports whether target is ErrHandler.
func (e *HandlerError) Is(target error) bool { return target == ErrHandler }

func (e *HandlerError) Unwrap() error { return e.Err }

// PanicError is a panic of a handler.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// FencedError refuses an owner of the past. What it did not commit was left to the new owner.
type FencedError struct {
	Projection ID
	Partition  int32
	Epoch      uint64 // of the refused
	Owner      uint64 // epoch of the partition's owner
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("projections: partition %d of %s was taken over: the claim has epoch %d, the owner %d; run one worker per sink",
		e.Partition, e.Projection, e.Epoch, e.Owner)
}

// Is reports whether target is ErrFenced.
func (e *FencedError) Is(target error) bool { return target == ErrFenced }

// Paused is what a sink answers a commit of a projection that is paused.
func Paused(p ID) error {
	return &TransientError{Err: fmt.Errorf("projection %s is paused: brokerd projections resume has it go on", p)}
}

// InvalidError refuses a projection before anything is read.
type InvalidError struct {
	Projection string
	Reason     string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("projections: projection %q: %s", e.Projection, e.Reason)
}

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// DivergedError says that the checkpoint in the sink and the log do not belong together: the topic was created again, or the log was
// restored from a backup. Nothing was projected; Rebuild makes the read model from this log.
type DivergedError struct {
	Projection ID
	Topic      string
	Partition  int32
	Reason     string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("projections: LOG_DIVERGED: %s at partition %d of topic %q: %s; rebuild the projection to follow this log",
		e.Projection, e.Partition, e.Topic, e.Reason)
}

// Is reports whether target is ErrLogDiverged.
func (e *DivergedError) Is(target error) bool { return target == ErrLogDiverged }

// TransientError is what a sink returns when nothing was committed, and the same commit may succeed a moment later: the worker tries again.
type TransientError struct{ Err error }

func (e *TransientError) Error() string { return e.Err.Error() }

// Is reports whether target is ErrTransient.
func (e *TransientError) Is(target error) bool { return target == ErrTransient }

func (e *TransientError) Unwrap() error { return e.Err }

// DataError is what a sink returns for what it cannot keep: some event of the commit is at fault, and the worker finds out which.
type DataError struct{ Err error }

func (e *DataError) Error() string { return e.Err.Error() }

// Is reports whether target is ErrData.
func (e *DataError) Is(target error) bool { return target == ErrData }

func (e *DataError) Unwrap() error { return e.Err }

// UnusableError is what a sink returns when no event could be handled, such as for a table that is missing: the worker ends with it, whatever its policy.
type UnusableError struct{ Err error }

func (e *UnusableError) Error() string { return e.Err.Error() }

// Is reports whether target is ErrUnusable.
func (e *UnusableError) Is(target error) bool { return target == ErrUnusable }

func (e *UnusableError) Unwrap() error { return e.Err }
