package aggregates

import (
	"container/list"
	"sync"
)

// cache keeps the states of the keys that were used last, up to a number of entries.
//
// Its states are nobody else's: put stores a clone and get returns one, so that a state handed to Decide or to the caller of
// Handle may be written to without any effect on the next handling. A cached state may be behind the log, never beside it.
type cache[S any] struct {
	entriesMax int
	clone      func(S) S

	mu     sync.Mutex
	recent *list.List               // of *cached[S], most recently used first; guarded by mu
	byKey  map[string]*list.Element // guarded by mu
}

type cached[S any] struct {
	key    string
	folded folded[S]
}

// newCache returns a cache, or nil, which holds nothing, when states cannot be cloned or entriesMax is not positive.
func newCache[S any](entriesMax int, clone func(S) S) *cache[S] {
	if clone == nil || entriesMax <= 0 {
		return nil
	}
	return &cache[S]{entriesMax: entriesMax, clone: clone, recent: list.New(), byKey: make(map[string]*list.Element)}
}

// get returns what is known of a key: nothing at all is version 0, which is right for every stream.
func (c *cache[S]) get(key string) folded[S] {
	if c == nil {
		return folded[S]{}
	}
	c.mu.Lock()
	element, ok := c.byKey[key]
	if !ok {
		c.mu.Unlock()
		return folded[S]{}
	}
	c.recent.MoveToFront(element)
	found := element.Value.(*cached[S]).folded
	c.mu.Unlock()

	found.state = c.clone(found.state) // outside the lock: stored states are never written to
	return found
}

// put remembers a state unless a newer one is known.
func (c *cache[S]) put(key string, f folded[S]) {
	if c == nil || f.version == 0 {
		return
	}
	f.state = c.clone(f.state)
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.byKey[key]; ok {
		c.recent.MoveToFront(element)
		if entry := element.Value.(*cached[S]); entry.folded.version < f.version {
			entry.folded = f
		}
		return
	}
	c.byKey[key] = c.recent.PushFront(&cached[S]{key: key, folded: f})
	if c.recent.Len() > c.entriesMax {
		oldest := c.recent.Back()
		delete(c.byKey, c.recent.Remove(oldest).(*cached[S]).key)
	}
}

func (c *cache[S]) drop(key string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.byKey[key]; ok {
		c.recent.Remove(element)
		delete(c.byKey, key)
	}
}
