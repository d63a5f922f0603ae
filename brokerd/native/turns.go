package native

import (
	"context"
	"strings"
	"sync"
)

// turns lets each client have a few fetches at work at once, however many it asks for: the others' do not wait behind all of them. A client is known by
// where it wants its answers, which all NATS clients have below one subject of their own.
type turns struct {
	mu      sync.Mutex
	clients map[string]*clientTurns // that have reads at work or waiting
}

type clientTurns struct {
	tokens chan struct{}
	users  int // reads at work or waiting; guarded by the lock of turns
}

// turnsMax is how many fetches of a client are at work at once.
const turnsMax = 2

// take waits for a client's turn. release ends it; when take fails there is nothing to release.
func (t *turns) take(ctx context.Context, reply string) (release func(), err error) {
	name := reply[:max(strings.LastIndexByte(reply, '.'), 0)]
	t.mu.Lock()
	c := t.clients[name]
	if c == nil {
		c = &clientTurns{tokens: make(chan struct{}, turnsMax)}
		t.clients[name] = c
	}
	c.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(t.clients, name)
		}
	}
	select {
	case c.tokens <- struct{}{}:
		return func() { <-c.tokens; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
