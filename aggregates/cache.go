package aggregates

import "sync"

// cache keeps the states of the keys that were used last, up to a number of entries.
//
// Its states are nobody else's: put stores a clone and get returns one, so that a state handed to Decide or to the caller of
// Handle may be written to without any effect on the next handling. A cached state may be behind the log, never beside it.
type cache[S any] struct {
	entriesMax int
	clone      func(S) S

	mu    sync.Mutex
	byKey map[string]*cacheEntry[S] // guarded by mu
	ring  cacheEntry[S]             // guarded by mu; ring.next is the entry that was used last, ring.prev the one to go first
}

// cacheEntry is a link of the ring. The state that folded refers to is never written to.
type cacheEntry[S any] struct {
	key        string
	folded     folded[S]
	prev, next *cacheEntry[S]
}

// newCache returns a cache, or nil, which holds nothing, when states cannot be cloned or entriesMax is not positive.
func newCache[S any](entriesMax int, clone func(S) S) *cache[S] {
	if clone == nil || entriesMax <= 0 {
		return nil
	}
	c := &cache[S]{entriesMax: entriesMax, clone: clone, byKey: make(map[string]*cacheEntry[S])}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// get returns what is known of a key: nothing at all is version 0, which is right for every stream.
func (c *cache[S]) get(key string) folded[S] {
	if c == nil {
		return folded[S]{}
	}
	found, ok := c.use(key)
	if ok {
		found.state = c.clone(found.state)
	}
	return found
}

func (c *cache[S]) use(key string) (folded[S], bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.byKey[key]
	if !ok {
		return folded[S]{}, false
	}
	entry.unlink()
	c.link(entry)
	return entry.folded, true
}

// put remembers a state unless a newer one is known.
func (c *cache[S]) put(key string, f folded[S]) {
	if c == nil || f.version == 0 {
		return
	}
	f.state = c.clone(f.state)
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, ok := c.byKey[key]
	if !ok {
		entry = &cacheEntry[S]{key: key}
		c.byKey[key] = entry
	} else {
		entry.unlink()
	}
	if entry.folded.version < f.version {
		entry.folded = f
	}
	c.link(entry)
	if len(c.byKey) > c.entriesMax {
		c.remove(c.ring.prev)
	}
}

func (c *cache[S]) drop(key string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry, ok := c.byKey[key]; ok {
		c.remove(entry)
	}
}

// link makes entry the one that was used last. c.mu is held, here and in remove.
func (c *cache[S]) link(entry *cacheEntry[S]) {
	entry.prev, entry.next = &c.ring, c.ring.next
	entry.prev.next, entry.next.prev = entry, entry
}

func (c *cache[S]) remove(entry *cacheEntry[S]) {
	entry.unlink()
	delete(c.byKey, entry.key)
}

func (e *cacheEntry[S]) unlink() { e.prev.next, e.next.prev = e.next, e.prev }
