package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/strandlog/strand/internal/recordbatch"
)

// Read returns whole batches, the first of which holds offset. It returns at least one even if that is larger than maxBytes, otherwise no
// more than maxBytes, and possibly less than there is; nil when offset is Next. It returns [ErrOffsetRange] outside [Start, Next] and
// [ErrCorrupt] for a batch that is damaged or does not follow the one before; sound batches before such a one are returned first.
func (l *Log) Read(offset int64, maxBytes int) ([]byte, error) {
	return l.ReadInto(new([]byte), offset, maxBytes)
}

// ReadInto is Read into the memory that scratch points to, which it makes larger if it must: whoever reads over and over need not have new memory
// cleared each time.
func (l *Log) ReadInto(scratch *[]byte, offset int64, maxBytes int) ([]byte, error) {
	s, err := l.spanOf(offset)
	if err != nil || s.file == nil {
		return nil, err
	}
	if s.marks, err = l.marksOf(s); err != nil {
		return nil, err
	}
	// One read gets the batch that is looked for, wherever it begins between its marks, and maxBytes behind that.
	from, end := s.marks.around(offset, s.size)
	ahead := min(s.size-from.pos, markEvery+min(s.size, int64(max(maxBytes, 0))))
	size := int(max(end-from.pos, ahead))
	*scratch = slices.Grow((*scratch)[:0], size)[:size]
	buf := *scratch
	if err := l.pread(s.file, buf, from.pos); err != nil {
		return nil, err
	}

	begin, next := 0, from.offset
	for {
		info, err := s.header(buf[begin:], from.pos+int64(begin), next)
		if err != nil {
			return nil, err
		}
		if info.Next() > offset {
			maxBytes = max(maxBytes, info.Length)
			break
		}
		begin, next = begin+info.Length, info.Next()
	}
	buf = buf[begin:]
	n, err := s.check(buf[:min(len(buf), maxBytes)], from.pos+int64(begin), next)
	if err != nil {
		return nil, err
	}
	return buf[:n:n], nil
}

// lookAtOnce is how much of a file a search for one header reads at once.
const lookAtOnce = 4 << 10

// Header returns the header of the batch that holds offset, and the place of the batch: whoever reads it by ReadAt knows before what that takes. No
// checksum is checked. It returns [ErrOffsetRange] outside [Start, Next), and [ErrCorrupt] when the headers before it do not lead there.
func (l *Log) Header(offset int64) (recordbatch.Info, Place, error) {
	s, err := l.spanOf(offset)
	if err != nil {
		return recordbatch.Info{}, Place{}, err
	}
	if s.file == nil {
		return recordbatch.Info{}, Place{}, &RangeError{Dir: l.cfg.Dir, Offset: offset, Start: l.Start(), Next: offset}
	}
	if s.marks, err = l.marksOf(s); err != nil {
		return recordbatch.Info{}, Place{}, err
	}
	var found recordbatch.Info
	at := Place{File: s.file.base}
	from, end := s.marks.around(offset, s.size)
	err = l.headers(s, from, end, lookAtOnce, func(info recordbatch.Info, pos int64) bool {
		found, at.Pos = info, pos
		return info.Next() <= offset
	})
	if err == nil && found.Next() <= offset {
		err = corrupt(s.file.path, end, "the batches lead to offset %d, where offset %d should lie before", found.Next(), offset)
	}
	return found, at, err
}

// ReadAt fills buf with the bytes at p, such as a record whose place and length an index keeps. It checks no checksum: the caller does.
// It returns [ErrCorrupt] when the log does not have so many bytes there.
func (l *Log) ReadAt(p Place, buf []byte) error {
	s, err := l.spanAt(p.File)
	if err != nil {
		return err
	}
	if p.Pos < 0 || int64(len(buf)) > s.size-p.Pos {
		return corrupt(s.file.path, p.Pos, "%d bytes should be there, the file has %d in all", len(buf), s.size)
	}
	return l.pread(s.file, buf, p.Pos)
}

// span is what a reader needs to know of a file: everything up to size stays as it is.
type span struct {
	file  *file
	size  int64
	next  int64 // offset after the last record
	marks marks
}

// spanOf finds the file that holds offset; its file is nil when offset is the next one.
func (l *Log) spanOf(offset int64) (span, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	switch {
	case l.closed:
		return span{}, ErrClosed
	case offset < l.start() || offset > l.next:
		return span{}, &RangeError{Dir: l.cfg.Dir, Offset: offset, Start: l.start(), Next: l.next}
	case offset == l.next:
		return span{}, nil
	}
	return l.span(sort.Search(len(l.files), func(i int) bool { return l.files[i].base > offset }) - 1), nil
}

// spanAt finds the file of a place.
func (l *Log) spanAt(base int64) (span, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return span{}, ErrClosed
	}
	i, ok := slices.BinarySearchFunc(l.files, base, func(f *file, base int64) int { return cmp.Compare(f.base, base) })
	if !ok {
		return span{}, corrupt(newFile(l.cfg.Dir, base).path, 0, "the log has no such file")
	}
	return l.span(i), nil
}

func (l *Log) span(i int) span {
	s := span{file: l.files[i], size: l.files[i].size, next: l.next, marks: l.files[i].marks}
	if i+1 < len(l.files) {
		s.next = l.files[i+1].base
	}
	return s
}

// header reads the header at the beginning of b, which lies at pos. The whole batch must be in b, and begin at the offset next.
func (s span) header(b []byte, pos, next int64) (recordbatch.Info, error) {
	info, err := recordbatch.Peek(b)
	if err != nil {
		return info, &CorruptError{Path: s.file.path, Pos: pos, Cause: err}
	}
	return info, s.follows(info, int64(len(b)), pos, next)
}

// follows checks what no checksum covers: that a batch ends within the bytesMax that there are, and begins at the offset next.
func (s span) follows(info recordbatch.Info, bytesMax, pos, next int64) error {
	if int64(info.Length) > bytesMax {
		return corrupt(s.file.path, pos, "the batch has %d bytes, %d are there", info.Length, bytesMax)
	}
	if info.BaseOffset != next {
		return corrupt(s.file.path, pos, "the batch begins at offset %d instead of %d", info.BaseOffset, next)
	}
	return nil
}

// check returns how many bytes of b are whole and sound batches, beginning with the offset next; the last one may be cut off.
// It is an error when the first one is damaged: damage further behind is found by who reads on from there.
func (s span) check(b []byte, pos, next int64) (n int, err error) {
	for n == 0 || len(b)-n >= recordbatch.HeaderBytes {
		info, err := recordbatch.Peek(b[n:])
		if n > 0 && (err != nil || info.Length > len(b)-n || info.BaseOffset != next) {
			break
		}
		if _, _, err = recordbatch.Parse(b[n:]); err != nil {
			if n > 0 {
				break
			}
			return 0, &CorruptError{Path: s.file.path, Pos: pos, Cause: err}
		}
		n, next = n+info.Length, info.Next()
	}
	return n, nil //nolint:nilerr // what is damaged behind the first batch is met by who reads on
}

// pread fills buf from a file. Bytes that are known to have been written but are not there are [ErrCorrupt].
func (l *Log) pread(f *file, buf []byte, pos int64) error {
	for {
		handle, err := l.handle(f)
		if err != nil {
			return err
		}
		n, err := handle.ReadAt(buf, pos)
		switch {
		case n == len(buf):
			return nil
		case errors.Is(err, os.ErrClosed):
			continue // evicted in between; or the log was closed, as handle will say
		case errors.Is(err, io.EOF):
			return corrupt(f.path, pos+int64(n), "the file ends there")
		}
		return fmt.Errorf("segment: read %s at byte %d: %w", f.path, pos, err)
	}
}
