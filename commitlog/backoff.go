package commitlog

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffMin = 5 * time.Millisecond
	backoffMax = 500 * time.Millisecond
)

// backoff spaces repetitions: each wait is about twice the one before. The zero value is ready.
type backoff struct {
	last time.Duration
}

// next is the time to wait. A random part of up to a quarter keeps clients that failed together from coming back together.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, backoffMin), backoffMax)
	return b.last - rand.N(b.last/4)
}

func (b *backoff) reset() { b.last = 0 }

// wait lets d pass unless ctx ends before.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return // a timer that is due at once crashes the race detector of Go 1.26 within synctest, now and then
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
