package aggregates

import (
	"context"
	"math/rand/v2"
	"time"
)

// The pauses between two attempts of one handling: random, so that the processes that collided do not collide again, and growing.
const (
	pauseMin = 500 * time.Microsecond
	pauseMax = 50 * time.Millisecond
)

// pause waits before retry n, counted from 0, or until ctx ends.
func pause(ctx context.Context, n int) error {
	limit := pauseMax
	if n < 10 {
		limit = min(pauseMax, pauseMin<<n)
	}
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
