package commitlog

import (
	"errors"
	"math"
	"testing"

	"github.com/strandlog/strand/internal/wire"
)

// Whatever bytes come as batches: dense offsets from the one that was asked for, or ErrCorrupt.
func FuzzFetchedBatches(f *testing.F) {
	log := newPartitionLog(3, 1, 4)
	f.Add(int64(0), append(append([]byte{}, log.batches[0]...), log.batches[1]...))
	f.Add(int64(6), log.batches[2])
	f.Add(int64(2), log.batches[2])
	f.Fuzz(func(t *testing.T, from int64, b []byte) {
		if from < 0 {
			return
		}
		fetcher := fetcher{reader: &reader{topic: "events"}, next: from, end: math.MaxInt64}
		got := fetched{from: from, end: math.MaxInt64}
		got.batches, got.err = fetcher.chain(b)
		want := from
		_, err := yieldRecords(got, fetcher.reader, func(r Record, err error) bool {
			if err != nil || r.Offset != want {
				t.Fatalf("got offset %d, %v; want %d", r.Offset, err, want)
			}
			want++
			return true
		})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("got %v, want ErrCorrupt", err)
		}
	})
}

func FuzzStreamRecord(f *testing.F) {
	f.Add(int64(1), int64(0), rawRecord("account-alice", []byte("1")))
	f.Fuzz(func(t *testing.T, version, offset int64, raw []byte) {
		p := pager{reader: &reader{topic: "events"}, query: StreamQuery{Stream: "account-alice"}, next: 1, offset: -1}
		got, err := p.record(&wire.StreamRecord{Version: version, Offset: offset, Raw: raw}, testEpoch, &headerSlab{expected: 1})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("got %v, want ErrCorrupt", err)
			}
			return
		}
		if got.Version != 1 || got.Offset < 0 || string(got.Key) != "account-alice" {
			t.Fatalf("got %+v", got)
		}
	})
}
