package eventstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// Expected is what an append assumes about its stream: a version (1 and up), or NoStream (the zero value), Any, StreamExists.
type Expected = commitlog.Expected

// The expectations that are not a version.
const (
	NoStream     = commitlog.NoStream
	Any          = commitlog.Any
	StreamExists = commitlog.StreamExists
)

// What a log answers is passed on as it is.
var (
	ErrConflict         = commitlog.ErrConflict         // *ConflictError: not stored; load, decide and append again
	ErrConditionFailed  = commitlog.ErrConditionFailed  // *ConditionError: not stored; read on, decide and append again
	ErrShards           = commitlog.ErrShards           // *commitlog.ShardsError: what the append concerns does not lie together
	ErrIndefinite       = commitlog.ErrIndefinite       // *IndefiniteError: stored or not, the truth could not be had in time
	ErrUnknownTopic     = commitlog.ErrUnknownTopic     // *commitlog.UnknownTopicError
	ErrInvalidName      = commitlog.ErrInvalidName      // *commitlog.NameError
	ErrInvalid          = commitlog.ErrInvalid          // *commitlog.InvalidError
	ErrTooLarge         = commitlog.ErrAppendTooLarge   // *commitlog.TooLargeError
	ErrOffsetOutOfRange = commitlog.ErrOffsetOutOfRange // *commitlog.OffsetRangeError
	ErrCorrupt          = commitlog.ErrCorrupt          // *commitlog.CorruptError
)

// ConflictError is the detail behind ErrConflict.
type ConflictError = commitlog.ConflictError

// IndefiniteError is the detail behind ErrIndefinite.
type IndefiniteError = commitlog.IndefiniteError

var (
	// ErrUnknownType is an event on the log whose type the store was not given.
	ErrUnknownType = errors.New("eventstore: unknown event type")
	// ErrUnknownCategory is a stream whose category the store was not given.
	ErrUnknownCategory = errors.New("eventstore: unknown category")
	// ErrNotRegistered is an event to append whose Go type no schema names.
	ErrNotRegistered = errors.New("eventstore: event type is not registered")
	// ErrDecode is an event on the log whose data cannot be read.
	ErrDecode = errors.New("eventstore: event cannot be decoded")
	// ErrCodec is an event to append that its codec cannot write, or cannot read back.
	ErrCodec = errors.New("eventstore: event cannot be encoded")
	// ErrNothing is an append without events.
	ErrNothing = errors.New("eventstore: nothing to append")
)

// UnknownTypeError names an event that no schema of the store describes, although its category is given. It is an ErrUnknownType.
type UnknownTypeError struct {
	ID       uuid.UUID
	Type     string // empty: the record has none
	Stream   StreamName
	Version  int64
	Position Position
	Time     time.Time // of the record
}

func (e *UnknownTypeError) Error() string {
	return fmt.Sprintf("event type %q of stream %q (version %d, position %s) is in no schema: add it to the category's Events or Old, or open the store with UnknownTypes: Skip",
		e.Type, e.Stream, e.Version, e.Position)
}

// Is makes errors.Is(err, ErrUnknownType) true.
func (e *UnknownTypeError) Is(target error) bool { return target == ErrUnknownType }

// UnknownCategoryError names a stream whose category the store was not given. It is an ErrUnknownCategory.
type UnknownCategoryError struct{ Stream StreamName }

func (e *UnknownCategoryError) Error() string {
	return fmt.Sprintf("stream %q: the store was opened without the category %q: give its schema to Open", e.Stream, e.Stream.Category())
}

// Is makes errors.Is(err, ErrUnknownCategory) true.
func (e *UnknownCategoryError) Is(target error) bool { return target == ErrUnknownCategory }

// NotRegisteredError names an event that cannot be appended. It is an ErrNotRegistered.
type NotRegisteredError struct {
	Stream StreamName
	GoType string
	Reason string
}

func (e *NotRegisteredError) Error() string {
	return fmt.Sprintf("stream %q: an event of type %s cannot be appended: %s", e.Stream, e.GoType, e.Reason)
}

// Is makes errors.Is(err, ErrNotRegistered) true.
func (e *NotRegisteredError) Is(target error) bool { return target == ErrNotRegistered }

// DecodeError names an event whose data does not fit its type. It is an ErrDecode.
type DecodeError struct {
	ID       uuid.UUID
	Type     string
	Stream   StreamName
	Version  int64
	Position Position
	Time     time.Time // of the record
	Cause    error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("event %q of stream %q (version %d, position %s) cannot be decoded: %v", e.Type, e.Stream, e.Version, e.Position, e.Cause)
}

// Is makes errors.Is(err, ErrDecode) true.
func (e *DecodeError) Is(target error) bool { return target == ErrDecode }

func (e *DecodeError) Unwrap() error { return e.Cause }
