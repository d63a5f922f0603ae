package eventid

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestLayout(t *testing.T) {
	when := time.Date(2026, 11, 23, 12, 0, 0, 999_999_999, time.UTC)
	for _, random := range []uint64{0, 1 << 63, 1<<64 - 1} {
		id := at(when, random)
		if id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Errorf("%s: version %d, variant %s", id, id.Version(), id.Variant())
		}
		if sec, nsec := id.Time().UnixTime(); time.Unix(sec, nsec).UnixMilli() != when.UnixMilli() {
			t.Errorf("%s: of %v, want %v", id, time.Unix(sec, nsec), when)
		}
	}
}

func TestIdsSortByTime(t *testing.T) {
	first := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, step := range []time.Duration{250 * time.Nanosecond, time.Millisecond, time.Hour} {
		a, b := at(first, 1<<64-1), at(first.Add(step), 0)
		if bytes.Compare(a[:], b[:]) >= 0 {
			t.Errorf("%v later: %s is not below %s", step, a, b)
		}
	}
}

func TestIdsDiffer(t *testing.T) {
	seen := map[uuid.UUID]bool{}
	for range 100_000 {
		id := New()
		if seen[id] {
			t.Fatalf("%s was drawn twice", id)
		}
		seen[id] = true
	}
}

func TestDrawingTakesNoMemory(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { New() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNew(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			New()
		}
	})
}
