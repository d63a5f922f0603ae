package recordbatch

import (
	"errors"
	"fmt"
)

// The reasons to refuse bytes. Errors of this package are [*FormatError]s that match one of them.
var (
	ErrShort       = errors.New("recordbatch: bytes end before the batch does")
	ErrCorrupt     = errors.New("recordbatch: damaged")
	ErrUnsupported = errors.New("recordbatch: unsupported")
	ErrTooLarge    = errors.New("recordbatch: too large")
)

// FormatError says where bytes are not what they should be.
type FormatError struct {
	Reason error // ErrShort, ErrCorrupt, ErrUnsupported or ErrTooLarge
	Pos    int   // from the first byte that was given to the failing function
	Detail string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("%v: at byte %d: %s", e.Reason, e.Pos, e.Detail)
}

// Unwrap makes the reason visible to errors.Is.
func (e *FormatError) Unwrap() error { return e.Reason }

func short(pos int, format string, args ...any) error {
	return &FormatError{Reason: ErrShort, Pos: pos, Detail: fmt.Sprintf(format, args...)}
}

func corrupt(pos int, format string, args ...any) error {
	return &FormatError{Reason: ErrCorrupt, Pos: pos, Detail: fmt.Sprintf(format, args...)}
}

func unsupported(pos int, format string, args ...any) error {
	return &FormatError{Reason: ErrUnsupported, Pos: pos, Detail: fmt.Sprintf(format, args...)}
}

func tooLarge(pos int, format string, args ...any) error {
	return &FormatError{Reason: ErrTooLarge, Pos: pos, Detail: fmt.Sprintf(format, args...)}
}

// shift moves err to its place in larger bytes, of which those that it speaks of begin at by.
func shift(err error, by int) error {
	if e, ok := errors.AsType[*FormatError](err); ok {
		return &FormatError{Reason: e.Reason, Pos: e.Pos + by, Detail: e.Detail}
	}
	return err
}

// damaged is shift within a batch that is known to be whole: a record that ends beyond it is corrupt, not short.
func damaged(err error, by int) error {
	if e, ok := errors.AsType[*FormatError](err); ok {
		return &FormatError{Reason: ErrCorrupt, Pos: e.Pos + by, Detail: e.Detail}
	}
	return err
}
