package commitlog

import "testing"

// TestPrefixAfterSeek has a record begin twice, as after SeekTo: what is processed goes on.
func TestPrefixAfterSeek(t *testing.T) {
	var next int64
	p := prefix{processed: func(n int64, _ uint64) { next = max(next, n) }}
	p.begin(t.Context(), 4, 1, 1)
	p.begin(t.Context(), 5, 1, 1)
	p.end(5)
	p.begin(t.Context(), 5, 1, 1) // SeekTo(5)
	p.end(5)
	if first, ok := p.first(); !ok || first != 4 || next != 0 {
		t.Errorf("first %d %v, processed up to %d", first, ok, next)
	}
	p.end(4)
	p.begin(t.Context(), 6, 1, 1)
	p.end(6)
	if next != 7 || len(p.under) != 0 {
		t.Errorf("processed up to %d, under way are %v", next, p.under)
	}
}
