package index

import (
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

func TestHeadsForgetButAreNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(-1, 40).Draw(t, "limit")
		h := NewHeads(limit)
		limit = max(limit, 1)
		want := map[modelStream]int64{}
		stream := rapid.Custom(func(t *rapid.T) modelStream {
			return modelStream{rapid.Int32Range(0, 2).Draw(t, "partition"), fmt.Sprint(rapid.IntRange(0, 30).Draw(t, "name"))}
		})
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				s, version := stream.Draw(t, "stream"), rapid.Int64Min(0).Draw(t, "version")
				h.Put(s.partition, s.name, version)
				want[s] = version
				if got, ok := h.Get(s.partition, s.name); !ok || got != version {
					t.Fatalf("right after Put: %d, %t; want %d", got, ok, version)
				}
			},
			"get": func(t *rapid.T) {
				s := stream.Draw(t, "stream")
				h.Get(s.partition, s.name)
			},
			"": func(t *rapid.T) {
				if h.Evicted() != (len(want) > limit) || h.Len() != min(len(want), limit) {
					t.Fatalf("%d streams in a table for %d: Len %d, evicted %t", len(want), limit, h.Len(), h.Evicted())
				}
				// Looking with find leaves no mark for the clock.
				found := 0
				for s, version := range want {
					key := h.hash(s.partition, s.name)
					p := h.part(key)
					if i, ok := p.find(key); ok {
						found++
						if got := int64(p.slots[i].version &^ headUsed); got != version {
							t.Fatalf("%v at %d, want %d", s, got, version)
						}
					}
				}
				if found != h.Len() {
					t.Fatalf("%d streams found of %d", found, h.Len())
				}
			},
		})
	})
}

func TestHeadsKeepWhatIsUsed(t *testing.T) {
	h := NewHeads(1000)
	for i := range 100 {
		h.Put(0, streamName(i), int64(i))
	}
	for i := 100; i < 100_000; i++ { // a scan of streams that are seen once
		h.Put(0, streamName(i), int64(i))
		if i%3 == 0 {
			h.Get(0, streamName(i%100)) // each of the first hundred in its turn
		}
	}
	kept := 0
	for i := range 100 {
		if _, ok := h.Get(0, streamName(i)); ok {
			kept++
		}
	}
	if kept < 95 {
		t.Errorf("%d of 100 streams in use were kept", kept)
	}
}

func TestHeadsBytesPerStream(t *testing.T) {
	const limit = 200_000
	h := NewHeads(limit)
	for i := range limit * 11 / 10 {
		h.Put(0, fmt.Sprintf("account-%d", i), 1)
		if i%1000 != 999 || i < limit/10 {
			continue
		}
		slots := 0
		for p := range h.parts {
			slots += cap(h.parts[p].slots)
		}
		if per := slots * int(unsafe.Sizeof(headsSlot{})) / h.Len(); per > 64 {
			t.Fatalf("%d bytes a stream with %d streams", per, h.Len())
		}
	}
	n := h.Len()
	with := heapInUse()
	runtime.KeepAlive(h)
	per := float64(with-heapInUse()) / float64(n) // the collector takes the table after its last use
	t.Logf("full: %.1f bytes a stream with %d streams", per, n)
	if per > 64 || per < 24 {
		t.Errorf("%.1f bytes a stream", per)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
