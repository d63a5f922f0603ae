package shard

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestWallClockJumps lets the clock of a node go forward a day, back an hour and back ten years, while it serves and between two runs. Record times never run
// backwards within a partition, versions have no gaps, and a retry is still known.
func TestWallClockJumps(t *testing.T) {
	f := newFixture(t)
	f.close()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var clock atomic.Pointer[time.Time]
	set := func(to time.Time) { clock.Store(&to) }
	set(now)
	reopen := func() {
		s, err := Open(t.Context(), Config{Log: f.log, Dir: f.dir, LogID: f.logID, Layout: testLayout, Clock: func() time.Time { return *clock.Load() }})
		if err != nil {
			t.Fatal(err)
		}
		f.Shard = s
	}
	reopen()
	newest := now
	n := 0
	for i, jump := range []time.Duration{time.Second, 24 * time.Hour, -time.Hour, time.Minute, -10 * 365 * 24 * time.Hour, 3 * time.Hour, 24 * time.Hour} {
		now = now.Add(jump)
		set(now)
		if now.After(newest) {
			newest = now
		}
		for range 5 {
			f.mustAppend("s-0", wire.Expected(n), 1)
			n++
		}
		again := wire.Append{Sequence: f.next, Writes: []wire.Write{{
			Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Expected(n - 1), Events: []wire.Event{{Value: []byte("other")}},
		}}}
		if r := f.send(again); r.Code != wire.IDReuse {
			t.Errorf("after a jump of %s a sequence that was used is answered %v: %s", jump, r.Code, r.Detail)
		}
		if i%2 == 1 {
			f.close()
			reopen()
		}
	}
	last, offset := int64(0), int64(0)
	r := f.Fetch(t.Context(), wire.FetchRequest{Partition: partitionOf("s-0"), MaxBytes: 1 << 20}, nil, nil)
	for rest := r.Batches; len(rest) > 0; {
		batch, after, err := recordbatch.Parse(rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = after
		for rec, err := range batch.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if rec.Timestamp < last || rec.Offset != offset {
				t.Errorf("offset %d at time %d follows offset %d at time %d", rec.Offset, rec.Timestamp, offset-1, last)
			}
			last, offset = rec.Timestamp, offset+1
		}
	}
	if offset != int64(n) || last != newest.UnixMilli() {
		t.Errorf("%d of %d records, the last at %s, want %s", offset, n, time.UnixMilli(last).UTC(), newest)
	}
	if ids := f.stream("s-0"); len(ids) != n {
		t.Errorf("%d of %d events", len(ids), n)
	}
	f.close()
}
