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
	var pos int64
	next := s.file.base
	buf := make([]byte, min(s.size, markEvery))
	var window []byte // of the file at pos
	for pos < s.size {
		if len(window) < recordbatch.HeaderBytes {
			window = buf[:min(s.size-pos, int64(len(buf)))]
			if err := l.pread(s.file, window, pos); err != nil {
				return nil, err
			}
		}
		info, err := recordbatch.Peek(window)
		if err != nil {
			return nil, &CorruptError{Path: s.file.path, Pos: pos, Cause: err}
		}
		if err := s.follows(info, s.size-pos, pos, next); err != nil {
			return nil, err
		}
		found = found.add(mark{offset: next, pos: pos})
		next, pos = info.Next(), pos+int64(info.Length)
		window = window[min(info.Length, len(window)):]
	}
	if next != s.next {
		return nil, corrupt(s.file.path, pos, "the batches lead to offset %d instead of %d", next, s.next)
	}
	return found, nil
}
