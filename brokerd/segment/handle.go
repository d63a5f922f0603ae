package segment

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// handle returns a file's handle and opens it if need be. It may be closed by evict or Close at any time; a read in flight is not disturbed.
func (l *Log) handle(f *file) (*os.File, error) {
	l.mu.RLock()
	handle, closed := f.handle, l.closed
	trimmed := l.trimmed(f)
	l.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if trimmed != nil {
		return nil, trimmed
	}
	if handle != nil {
		return handle, nil
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if f.handle != nil {
		return f.handle, nil
	}
	if err := l.trimmed(f); err != nil {
		return nil, err
	}
	handle, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, corrupt(f.path, 0, "the file is gone")
	}
	if err != nil {
		return nil, fmt.Errorf("segment: read: %w", err)
	}
	l.evict()
	f.handle = handle
	l.open = append(l.open, f)
	return handle, nil
}

// trimmed is the error of reading a file that was trimmed away, nil for any other. The caller holds mu.
func (l *Log) trimmed(f *file) error {
	if !f.trimmed {
		return nil
	}
	return &RangeError{Dir: l.cfg.Dir, Offset: f.base, Start: l.start(), Next: l.next}
}

// evict closes handles, the longest open first, until one more can be opened within the bound. The last file, which is written to,
// and files with bytes to sync keep theirs. The caller holds mu.
func (l *Log) evict() {
	for i := 0; i < len(l.open) && len(l.open) >= l.cfg.FilesOpenMax; {
		f := l.open[i]
		if f == l.files[len(l.files)-1] || f.synced < f.size {
			i++
			continue
		}
		_ = f.handle.Close() // whatever was written through it is synced: its error has nothing to tell
		f.handle = nil
		l.open = slices.Delete(l.open, i, i+1)
	}
}
