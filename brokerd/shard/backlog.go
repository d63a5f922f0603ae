package shard

// Backlog is what waits in a shard, in bytes.
type Backlog struct {
	Queue int // appends that are not answered yet
	Lag   int // committed batches that segments and index do not hold yet
}

// Backlog is what waits now.
func (s *Shard) Backlog() Backlog {
	s.mu.Lock()
	b := Backlog{Queue: s.queued}
	s.mu.Unlock()
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	b.Lag = s.store.queued
	return b
}
