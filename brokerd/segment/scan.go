package segment

import "github.com/strandlog/strand/internal/recordbatch"

// marksOf returns the marks of a file, which are searched for when they are needed for the first time.
func (l *Log) marksOf(s span) (marks, error) {
	if s.marks != nil {
		return s.marks, nil
	}
	s.file.scanning.Lock()
	defer s.file.scanning.Unlock()
	l.mu.RLock()
	found := s.file.marks
	l.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	found, err := l.scan(s)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.file.marks = found
	return found, nil
}

// scan goes through the headers of a file, which must lead from its base offset at byte 0 to s.next at s.size.
func (l *Log) scan(s span) (marks, error) {
	var found marks
	next := s.file.base
	err := l.headers(s, mark{offset: next}, s.size, markEvery, func(info recordbatch.Info, pos int64) bool {
		found = found.add(mark{offset: next, pos: pos})
		next = info.Next()
		return true
	})
	if err != nil {
		return nil, err
	}
	if next != s.next {
		return nil, corrupt(s.file.path, s.size, "the batches lead to offset %d instead of %d", next, s.next)
	}
	return found, nil
}

// headers calls fn for the header of each batch from a mark on, and its place, until fn returns false or the batches reach end. It reads so many bytes at once.
func (l *Log) headers(s span, from mark, end int64, atOnce int, fn func(info recordbatch.Info, pos int64) bool) error {
	next, pos := from.offset, from.pos
	buf := make([]byte, min(end-pos, int64(atOnce)))
	var window []byte // of the file at pos
	for pos < end {
		if len(window) < recordbatch.HeaderBytes {
			window = buf[:min(end-pos, int64(len(buf)))]
			if err := l.pread(s.file, window, pos); err != nil {
				return err
			}
		}
		info, err := recordbatch.Peek(window)
		if err != nil {
			return &CorruptError{Path: s.file.path, Pos: pos, Cause: err}
		}
		if err := s.follows(info, end-pos, pos, next); err != nil {
			return err
		}
		if !fn(info, pos) {
			return nil
		}
		next, pos = info.Next(), pos+int64(info.Length)
		window = window[min(info.Length, len(window)):]
	}
	return nil
}
