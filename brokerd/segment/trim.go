package segment

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Trim removes the files in front whose records all lie below offset start. The last file stays. Reads of what is gone are [ErrOffsetRange].
func (l *Log) Trim(start int64) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	gone, err := l.forget(start)
	// From the front, so that whatever interrupts it leaves a log without holes.
	for _, f := range gone {
		if removed := os.Remove(f.path); removed != nil {
			return errors.Join(err, fmt.Errorf("segment: trim: %w", removed))
		}
	}
	return err
}

// forget takes the files below start out of the log.
func (l *Log) forget(start int64) ([]*file, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	n := 0
	for n+1 < len(l.files) && l.files[n+1].base <= start {
		n++
	}
	gone := l.files[:n:n]
	l.files = slices.Clone(l.files[n:])
	var errs []error
	for _, f := range gone {
		f.trimmed = true
		if f.handle != nil {
			errs = append(errs, f.handle.Close())
			f.handle = nil
		}
	}
	l.open = slices.DeleteFunc(l.open, func(f *file) bool { return f.trimmed })
	return gone, errors.Join(errs...)
}
