package index

import (
	"errors"
	"fmt"
	"syscall"
)

// The errors that a caller acts on.
var (
	// ErrDamaged means that the directory does not hold a sound index: drop it and rebuild from the log.
	ErrDamaged = errors.New("index is damaged")
	// ErrInUse means that another DB, maybe of another process, has the directory open.
	ErrInUse = errors.New("index directory is in use")
	// ErrClosed is what every call after Close returns.
	ErrClosed = errors.New("index is closed")
)

// DamagedError says which index is damaged and how it came to light. It is an ErrDamaged.
type DamagedError struct {
	Dir   string
	Cause error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("index in %s is damaged; drop it and rebuild it from the log: %v", e.Dir, e.Cause)
}

// Is makes errors.Is(err, ErrDamaged) true.
func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

func (e *DamagedError) Unwrap() error { return e.Cause }

// damage makes an error of Pebble or of a decoder one of this package.
func damage(dir string, err error) error {
	if ofMachine(err) {
		return fmt.Errorf("index in %s: %w", dir, err)
	}
	return &DamagedError{Dir: dir, Cause: err}
}

// ofMachine says whether an error is the machine's, not the files': a rebuild would meet it again.
func ofMachine(err error) bool {
	var code syscall.Errno
	if !errors.As(err, &code) {
		return false
	}
	switch code {
	case syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM:
		return true
	}
	return false
}
