package projections

import (
	"context"
	"time"
)

// grace gives a context for the work that ctx started: it ends d after ctx does, with the cause [ErrStopTimeout].
// The caller calls release when the work is done.
func grace(ctx context.Context, d time.Duration) (work context.Context, release func()) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(ErrStopTimeout)
		case <-work.Done():
		}
	})
	return work, func() {
		unhook()
		cancel(nil)
	}
}
