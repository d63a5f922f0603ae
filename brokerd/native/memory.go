package native

// memory is what a read answers in. Most answers of a replay have a megabyte: clearing new memory for each took a sixth of a broker's time.
type memory struct {
	read  []byte // what was read; no part of it is referred to once the answer is encoded
	reply []byte
}

// recycledBytesMax bounds what a read leaves to the next one. Larger answers are rare.
const recycledBytesMax = 2 << 20

func (s *Server) memory() *memory {
	if m, ok := s.used.Get().(*memory); ok {
		return m
	}
	return &memory{}
}

func (s *Server) recycle(m *memory) {
	if cap(m.read) > recycledBytesMax {
		m.read = nil
	}
	if cap(m.reply) > recycledBytesMax {
		m.reply = nil
	}
	s.used.Put(m)
}
