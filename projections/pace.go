package projections

import "time"

// commitTarget is how long a commit should take at most. It bounds how long a transaction stays open and how much
// a stopping worker still has to do.
const commitTarget = time.Second

// pace bounds the events of a commit so that it takes no longer than commitTarget: it begins with one event, doubles while
// commits are full and fast, and halves when they are slow.
type pace struct {
	limit, max int
}

func newPace(max int) pace { return pace{limit: 1, max: max} }

func (p *pace) committed(events int, took time.Duration) {
	switch {
	case took > commitTarget:
		p.limit = max(1, p.limit/2)
	case took < commitTarget/2 && events >= p.limit:
		p.limit = min(p.max, p.limit*2)
	}
}
