package native

import (
	"context"
	"sync"
	"time"
)

// unread bounds the answers that wait in the node for clients to read them. NATS queues up to 64 MiB for each connection, whatever that comes to.
type unread struct {
	measure  func(now time.Time) int64 // what waits; it ends connections that stand still
	bytesMax int64

	mu    sync.Mutex
	known int64 // what waited when it was measured, and all that was sent since: never too little
}

// unreadPolling is how often it is measured while there is too much.
const unreadPolling = 20 * time.Millisecond

// take waits until an answer may be sent. An answer is sent in any case when nothing else waits.
func (u *unread) take(ctx context.Context, bytes int) error {
	if u.measure == nil {
		return nil
	}
	for !u.tryTake(int64(bytes)) {
		select {
		case <-time.After(unreadPolling):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (u *unread) tryTake(bytes int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.known+bytes > u.bytesMax {
		u.known = u.measure(time.Now())
	}
	if u.known > 0 && u.known+bytes > u.bytesMax {
		return false
	}
	u.known += bytes
	return true
}
