package aggregates

import "testing"

func TestCacheKeepsWhatWasUsedLast(t *testing.T) {
	c := newCache(2, func(n int) int { return n })
	put := func(key string, version int64) { c.put(key, folded[int]{state: int(version), version: version}) }
	want := func(key string, version int64) {
		t.Helper()
		if got := c.get(key); got.version != version || got.state != int(version) {
			t.Errorf("%s: version %d with state %d, want %d", key, got.version, got.state, version)
		}
	}
	put("a", 1)
	put("b", 2)
	want("a", 1)
	put("c", 3) // b was used least recently
	want("b", 0)
	want("a", 1)
	want("c", 3)

	put("a", 5)
	put("a", 4) // comes late
	want("a", 5)
	put("d", 1) // c: putting counts as use
	want("c", 0)
	want("a", 5)

	put("e", 0) // what does not exist needs no entry
	want("d", 1)
	want("a", 5)

	c.drop("a")
	c.drop("a")
	want("a", 0)
	want("d", 1)
	linked := 0
	for entry := c.ring.next; entry != &c.ring; entry = entry.next {
		linked++
	}
	if len(c.byKey) != 1 || linked != 1 {
		t.Errorf("%d entries by key and %d in the ring, want 1", len(c.byKey), linked)
	}
}

func TestNoCache(t *testing.T) {
	for name, c := range map[string]*cache[int]{
		"no clones":  newCache[int](10, nil),
		"no entries": newCache(-1, func(n int) int { return n }),
	} {
		c.put("a", folded[int]{version: 1})
		c.drop("a")
		if got := c.get("a"); got.version != 0 {
			t.Errorf("%s: version %d was kept", name, got.version)
		}
	}
}
