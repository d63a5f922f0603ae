package segment

import (
	"errors"
	"fmt"
)

// The errors that a caller may act on.
var (
	ErrGap         = errors.New("segment: the batch does not follow the last one")           // see [GapError]
	ErrOffsetRange = errors.New("segment: offset out of range")                              // see [RangeError]
	ErrCorrupt     = errors.New("segment: damaged files; drop and refill them from the log") // see [CorruptError]
	ErrClosed      = errors.New("segment: the log is closed")
)

// GapError refuses a batch whose base offset is not the next one.
type GapError struct {
	Dir        string
	Base, Next int64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("segment: append to %s: the batch begins at offset %d, the next one is %d", e.Dir, e.Base, e.Next)
}

// Is matches [ErrGap].
func (e *GapError) Is(target error) bool { return target == ErrGap }

// RangeError refuses to read an offset that the log does not hold: it is outside [Start, Next].
type RangeError struct {
	Dir                 string
	Offset, Start, Next int64
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("segment: %s holds offsets %d to before %d, not %d", e.Dir, e.Start, e.Next, e.Offset)
}

// Is matches [ErrOffsetRange].
func (e *RangeError) Is(target error) bool { return target == ErrOffsetRange }

// CorruptError says where a file does not hold what was appended.
type CorruptError struct {
	Path  string
	Pos   int64
	Cause error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v: %s at byte %d: %v", ErrCorrupt, e.Path, e.Pos, e.Cause)
}

// Is matches [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Cause }

func corrupt(path string, pos int64, format string, args ...any) error {
	return &CorruptError{Path: path, Pos: pos, Cause: fmt.Errorf(format, args...)}
}
