package segment

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// Log is the files of one partition.
type Log struct {
	cfg Config

	syncing sync.Mutex // held by Sync and Close; taken before mu

	mu     sync.RWMutex // never held during reads, writes and syncs
	files  []*file      // ascending; none is empty; the last one is written to
	open   []*file      // those with a handle, longest open first
	next   int64
	failed error // of the write or sync after which nothing more is appended
	closed bool
}

// Open opens the log that reaches to offset next at the place end, and cuts everything at and behind that place.
// With a zero end it empties the log, which then begins at next. It returns [ErrCorrupt], without having cut anything,
// when the files end before end, and when the batches of the last one do not lead to next.
func Open(cfg Config, next int64, end Place) (*Log, error) {
	l := &Log{cfg: cfg.withDefaults(), next: next}
	if err := l.load(end); err != nil {
		return nil, errors.Join(fmt.Errorf("segment: open %s: %w", cfg.Dir, err), l.Close())
	}
	return l, nil
}

func (l *Log) load(end Place) error {
	if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
		return err
	}
	files, err := listFiles(l.cfg.Dir)
	if err != nil {
		return err
	}
	if files, err = cut(files, end, newFile(l.cfg.Dir, end.File).path); err != nil {
		return err
	}
	l.files = files
	if len(files) == 0 {
		return nil
	}
	last := files[len(files)-1]
	if last.handle, err = os.OpenFile(last.path, os.O_RDWR, 0); err != nil {
		return err
	}
	l.open = append(l.open, last)
	last.marks, err = l.scan(span{file: last, size: last.size, next: l.next})
	return err
}

// cut removes what lies at and behind end, from the back, so that whatever interrupts it leaves a log without holes.
func cut(files []*file, end Place, path string) ([]*file, error) {
	kept := len(files)
	for kept > 0 && (files[kept-1].base > end.File || files[kept-1].base == end.File && end.Pos == 0) {
		kept--
	}
	if end.Pos > 0 {
		if kept == 0 || files[kept-1].base != end.File {
			return nil, corrupt(path, 0, "the file is missing, the log should reach to byte %d of it", end.Pos)
		}
		if last := files[kept-1]; last.size < end.Pos {
			return nil, corrupt(path, last.size, "the file ends there, the log should reach to byte %d", end.Pos)
		}
	}
	for i := len(files) - 1; i >= kept; i-- {
		if err := os.Remove(files[i].path); err != nil {
			return nil, err
		}
	}
	if kept > 0 && files[kept-1].base == end.File && files[kept-1].size > end.Pos {
		if err := os.Truncate(path, end.Pos); err != nil {
			return nil, err
		}
		files[kept-1].size, files[kept-1].synced = end.Pos, end.Pos
	}
	return files[:kept], nil
}

// Next is the offset after the last record.
func (l *Log) Next() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.next
}

// Start is the offset of the first record: Next when there is none.
func (l *Log) Start() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.start()
}

func (l *Log) start() int64 {
	if len(l.files) == 0 {
		return l.next
	}
	return l.files[0].base
}

// End is the place behind the last batch. Call it on the appending goroutine where it must match Next.
func (l *Log) End() Place {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if len(l.files) == 0 {
		return Place{File: l.next}
	}
	last := l.files[len(l.files)-1]
	return Place{File: last.base, Pos: last.size}
}

// Close closes the files without syncing them. Further calls do nothing.
func (l *Log) Close() error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var errs []error
	for _, f := range l.open {
		errs = append(errs, f.handle.Close())
		f.handle = nil
	}
	l.open = nil
	return errors.Join(errs...)
}

// Remove closes the log and deletes its files, and its directory if nothing else is left in it.
func (l *Log) Remove() error {
	if err := l.Close(); err != nil {
		return err
	}
	files, err := listFiles(l.cfg.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("segment: remove %s: %w", l.cfg.Dir, err)
	}
	for _, f := range slices.Backward(files) {
		if err := os.Remove(f.path); err != nil {
			return fmt.Errorf("segment: remove a file: %w", err)
		}
	}
	if entries, err := os.ReadDir(l.cfg.Dir); err != nil || len(entries) > 0 {
		return err
	}
	return os.Remove(l.cfg.Dir)
}
