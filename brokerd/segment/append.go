package segment

import (
	"fmt"
	"os"

	"github.com/strandlog/strand/internal/recordbatch"
)

// Append writes one batch, whose base offset must be Next, and returns the place of its first byte. The header is checked, the checksum
// is not: the caller has built or parsed the batch. It returns [ErrGap] for another base offset and the errors of recordbatch for bytes
// that are not one batch; neither changes the log. After any other error the log takes no more appends.
func (l *Log) Append(batch []byte) (Place, error) {
	info, err := recordbatch.Peek(batch)
	if err != nil {
		return Place{}, fmt.Errorf("segment: append: %w", err)
	}
	if info.Length != len(batch) {
		return Place{}, fmt.Errorf("segment: append: %d bytes for a batch of %d: %w", len(batch), info.Length, recordbatch.ErrCorrupt)
	}
	f, handle, err := l.room(info)
	if err != nil {
		return Place{}, err
	}
	pos := f.size // only this goroutine changes it
	if handle == nil {
		if handle, err = os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return Place{}, l.fail(fmt.Errorf("segment: append: %w", err))
		}
	}
	if _, err := handle.WriteAt(batch, pos); err != nil {
		if pos == 0 {
			_ = handle.Close() // nobody else knows the new file; the write's error says it all
		}
		return Place{}, l.fail(fmt.Errorf("segment: append: %w", err))
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if pos == 0 {
		if l.closed {
			_ = handle.Close()
			return Place{}, ErrClosed
		}
		f.handle = handle
		l.files, l.open = append(l.files, f), append(l.open, f)
	}
	f.marks = f.marks.add(mark{offset: info.BaseOffset, pos: pos})
	f.size = pos + int64(len(batch))
	l.next = info.Next()
	return Place{File: f.base, Pos: pos}, nil
}

// room returns the file that the batch belongs in: the last one or, when that is full, a new one that is neither created nor known
// to readers and so has no handle.
func (l *Log) room(info recordbatch.Info) (*file, *os.File, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return nil, nil, ErrClosed
	case l.failed != nil:
		return nil, nil, fmt.Errorf("segment: %s takes no more appends, open it again: %w", l.cfg.Dir, l.failed)
	case info.BaseOffset != l.next:
		return nil, nil, &GapError{Dir: l.cfg.Dir, Base: info.BaseOffset, Next: l.next}
	}
	if n := len(l.files); n > 0 && l.files[n-1].size+int64(info.Length) <= l.cfg.BytesMax {
		return l.files[n-1], l.files[n-1].handle, nil
	}
	return newFile(l.cfg.Dir, l.next), nil, nil
}

// fail ends appending: what the last write or sync has left in the files is unknown.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return ErrClosed
	}
	l.failed = err
	return err
}
