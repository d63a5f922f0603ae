package engine

import (
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// deafness is what is known of connections that have much to read and do not read it.
type deafness struct {
	mu   sync.Mutex
	seen map[uint64]unreadSince // by connection
}

type unreadSince struct {
	bytes int
	since time.Time // of the last time that it became less
}

const (
	deafBytesMin = 1 << 20     // a connection with less is nobody's problem
	deafAfter    = time.Second // without any progress
)

// Unread is how many bytes wait in the engine for clients to read them. It is to be asked again and again while that is too much and nothing more is
// sent: a client that reads nothing of its share for a second meanwhile is disconnected.
func (e *Engine) Unread(now time.Time) (total int64) {
	conns, err := e.server.Connz(&server.ConnzOptions{Sort: server.ByPending, Limit: connectionsMax})
	if err != nil {
		return 0 // the engine is closing
	}
	e.deaf.mu.Lock()
	defer e.deaf.mu.Unlock()
	seen := map[uint64]unreadSince{}
	for _, c := range conns.Conns {
		total += int64(c.Pending)
		if c.Pending < deafBytesMin || c.Port == 0 { // the node's own connections have no port
			continue
		}
		last, known := e.deaf.seen[c.Cid]
		if !known || c.Pending < last.bytes {
			last = unreadSince{since: now}
		}
		last.bytes = c.Pending
		if now.Sub(last.since) >= deafAfter {
			e.log.Warnf("connection %d from %s has read nothing of %d bytes for %v: it is closed", c.Cid, c.IP, c.Pending, deafAfter)
			_ = e.server.DisconnectClientByID(c.Cid) // gone already
			total -= int64(c.Pending)
			continue
		}
		seen[c.Cid] = last
	}
	e.deaf.seen = seen
	return total
}

// connectionsMax is more than there can be.
const connectionsMax = 1 << 20
