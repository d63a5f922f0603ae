package segment

import (
	"errors"
	"fmt"
	"os"
)

// Sync makes durable what was appended before it was called. It does not hold up appends and reads.
func (l *Log) Sync() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()

	dirty, failed := l.dirty()
	if failed != nil {
		return failed
	}
	created := false
	for _, d := range dirty {
		if err := d.handle.Sync(); err != nil {
			return l.fail(fmt.Errorf("segment: sync: %w", err))
		}
		created = created || d.file.synced == 0
	}
	if created {
		if err := syncDir(l.cfg.Dir); err != nil {
			return l.fail(fmt.Errorf("segment: sync: %w", err))
		}
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range dirty {
		d.file.synced = d.size
	}
	l.evict()
	return nil
}

// dirtyFile is a file with bytes to sync, and its size as of the beginning of the sync. Its handle stays open, for evict spares it.
type dirtyFile struct {
	file   *file
	handle *os.File
	size   int64
}

// dirty returns the files to sync, the oldest first. Files are synced together, so all of them are at the end.
func (l *Log) dirty() ([]dirtyFile, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.failed != nil {
		return nil, fmt.Errorf("segment: %s cannot be synced any more, open it again: %w", l.cfg.Dir, l.failed)
	}
	first := len(l.files)
	for first > 0 && l.files[first-1].synced < l.files[first-1].size {
		first--
	}
	var dirty []dirtyFile
	for _, f := range l.files[first:] {
		dirty = append(dirty, dirtyFile{file: f, handle: f.handle, size: f.size})
	}
	return dirty, nil
}

// syncDir makes the names of new files durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
