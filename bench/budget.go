package main

import "time"

// budget divides the time that is left among the runs that are left. Runs that take less, because their work is not open, leave more for the others.
type budget struct {
	deadline time.Time // zero: none
	most     time.Duration
}

// The shortest run that says anything, and what part of its share a run measures: the rest goes to preparing and warming up.
const (
	shortest = 50 * time.Millisecond
	measured = 0.7
)

func (b budget) share(now time.Time, runsLeft int) time.Duration {
	if b.deadline.IsZero() {
		return b.most
	}
	fair := time.Duration(float64(b.deadline.Sub(now)) * measured / float64(max(runsLeft, 1)))
	return min(max(fair, shortest), b.most)
}
