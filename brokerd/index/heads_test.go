package index

import "testing"

func TestHeadsForgetButAreNeverWrong(t *testing.T) {
	const limit, streams = 1000, 5000
	h := NewHeads(limit)
	want := map[string]int64{}
	for round := range int64(3) {
		for i := range streams {
			name := streamName(i)
			h.Put(int32(i%4), name, round*10+int64(i))
			want[name] = round*10 + int64(i)
		}
	}
	found := 0
	for i := range streams {
		if v, ok := h.Get(int32(i%4), streamName(i)); ok {
			found++
			if v != want[streamName(i)] {
				t.Errorf("stream %d at %d, want %d", i, v, want[streamName(i)])
			}
		}
		if _, ok := h.Get(int32(i%4)+4, streamName(i)); ok {
			t.Errorf("stream %d in a partition that it is not in", i)
		}
	}
	if found != limit || h.Len() != limit || !h.Evicted() {
		t.Errorf("%d found, Len %d, evicted %t; want %d", found, h.Len(), h.Evicted(), limit)
	}
}
