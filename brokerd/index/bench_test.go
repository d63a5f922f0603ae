package index

import (
	"fmt"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
)

const benchRun = 256 << 10

// benchTypes change with every third event.
var benchTypes = [][]byte{[]byte("account.deposited"), []byte("account.withdrawn"), []byte("account.opened")}

var benchNames = func() []string {
	names := make([]string, 1<<20)
	for i := range names {
		names[i] = fmt.Sprintf("account-%08x", uint32(i)*2654435761)
	}
	return names
}

// benchTail is a run of entries that go round a number of streams, with a command each for one event in four.
func benchTail(b *testing.B, names []string, run, streams int) *Tail {
	b.Helper()
	tail := NewTail()
	for i := range benchRun {
		n := run*benchRun + i
		if err := tail.Add(benchEntry(names, n, streams)); err != nil {
			b.Fatal(err)
		}
	}
	return tail
}

func benchEntry(names []string, n, streams int) Entry {
	e := Entry{
		Type:      benchTypes[n/3%len(benchTypes)],
		Partition: int32(n % streams % 8), Stream: names[n%streams], Version: int64(n/streams) + 1,
		Pointer: Pointer{Offset: int64(n), Timestamp: 1700000000000 + int64(n/100), Place: segment.Place{Pos: int64(n) * 150}, Len: 150, Sum: uint32(n) * 2654435761},
	}
	if n%4 == 0 {
		e.CommandID = names[(n/4)%len(names)]
	}
	return e
}

func BenchmarkTailAdd(b *testing.B) {
	names := benchNames()
	for _, streams := range []int{1, 10_000, 1 << 20} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			b.ReportAllocs()
			tail := NewTail()
			bytes, n := 0, 0
			for i := 0; b.Loop(); i++ {
				if tail.Len() == benchRun {
					bytes, n = bytes+tail.Bytes(), n+benchRun
					tail = NewTail()
				}
				if err := tail.Add(benchEntry(names, i, streams)); err != nil {
					b.Fatal(err)
				}
			}
			if n > 0 {
				b.ReportMetric(float64(bytes)/float64(n), "B/entry")
			}
		})
	}
}

func BenchmarkTailHead(b *testing.B) {
	names := benchNames()
	tail := benchTail(b, names, 0, 10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tail.Head(int32(i%10_000%8), names[i%10_000])
	}
}

// BenchmarkApply writes runs of 256k entries; building the tails is not counted, waiting for earlier flushes is.
func BenchmarkApply(b *testing.B) {
	names := benchNames()
	for _, streams := range []int{1, 10_000, 1 << 20} {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			db, err := Open(b.TempDir(), Config{})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				tail := benchTail(b, names, i, streams)
				b.StartTimer()
				if err := db.Apply(tail, nil, markOf(uint64(i))); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(benchRun*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			if err := db.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkApplyWatermark writes the smallest run.
func BenchmarkApplyWatermark(b *testing.B) {
	db, err := Open(b.TempDir(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if err := db.Apply(NewTail(), nil, markOf(uint64(i))); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLookups asks an index of 4M events of 1M streams.
func BenchmarkLookups(b *testing.B) {
	const streams, runs = 1 << 20, 16
	names := benchNames()
	db, err := Open(b.TempDir(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for run := range runs {
		if err := db.Apply(benchTail(b, names, run, streams), nil, markOf(uint64(run))); err != nil {
			b.Fatal(err)
		}
	}
	m := db.pebble.Metrics()
	b.Logf("%d bytes on disk an entry; %s", int(m.DiskSpaceUsage())/(runs*benchRun), m.String())
	next := func(i int) int { return i * 7919 % streams }
	b.Run("head hit", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n := next(i)
			if v, err := db.Head(int32(n%8), names[n]); v != runs*benchRun/streams || err != nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("head miss", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n := next(i)
			if v, err := db.Head(int32(n%8), names[n]+"x"); v != 0 || err != nil {
				b.Fatal(v, err)
			}
		}
	})
	b.Run("stream of 4", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			n, events := next(i), 0
			if err := db.Stream(int32(n%8), names[n], 1, func(int64, Pointer) bool { events++; return true }); events != 4 || err != nil {
				b.Fatal(events, err)
			}
		}
	})
}

func BenchmarkHeads(b *testing.B) {
	const streams = 1 << 20
	names := benchNames()
	for _, test := range []struct {
		name  string
		limit int
	}{{"all fit", streams}, {"half fit", streams / 2}} {
		h := NewHeads(test.limit)
		b.Run("put/"+test.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.Put(0, names[i*7919%streams], int64(i))
			}
		})
		b.Run("get/"+test.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.Get(0, names[i*7919%streams])
			}
		})
	}
}
