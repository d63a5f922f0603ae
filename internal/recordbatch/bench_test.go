package recordbatch_test

import (
	"fmt"
	"testing"

	"github.com/strandlog/strand/internal/recordbatch"
)

// A batch as the sequencer makes it: 1000 events of 256 B with id, version and type.
const (
	benchRecords = 1000
	benchValue   = 256
)

func benchEntry() recordbatch.Entry {
	var raw []byte
	raw = recordbatch.AppendHeader(raw, "id", make([]byte, 16))
	raw = recordbatch.AppendHeader(raw, "v", make([]byte, 8))
	raw = recordbatch.AppendHeader(raw, "type", []byte("account.deposited"))
	return recordbatch.Entry{Timestamp: 1_700_000_000_000, Key: []byte("account-alice"), Value: make([]byte, benchValue), HeaderCount: 3, Headers: raw}
}

func benchBatch(b *recordbatch.Builder, entry recordbatch.Entry, dst []byte) []byte {
	b.Reset(0, entry.Timestamp, 1)
	for range benchRecords {
		b.Append(entry)
	}
	return b.AppendTo(dst)
}

func reportRecords(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRecords, "ns/record")
}

func BenchmarkBuild(b *testing.B) {
	var builder recordbatch.Builder
	entry := benchEntry()
	buf := benchBatch(&builder, entry, nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = benchBatch(&builder, entry, buf[:0])
	}
	reportRecords(b)
}

func BenchmarkParse(b *testing.B) {
	var builder recordbatch.Builder
	raw := benchBatch(&builder, benchEntry(), nil)
	for _, name := range []string{"checksum", "records", "records and a header"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				batch, _, err := recordbatch.Parse(raw)
				if err != nil {
					b.Fatal(err)
				}
				if name == "checksum" {
					continue
				}
				for r, err := range batch.Records() {
					if err != nil {
						b.Fatal(err)
					}
					if name == "records" {
						continue
					}
					if _, ok := r.Headers.Get("type"); !ok {
						b.Fatal("no type")
					}
				}
			}
			reportRecords(b)
		})
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	var builder recordbatch.Builder
	raw := benchBatch(&builder, benchEntry(), nil)[recordbatch.HeaderBytes:]
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, _, err := recordbatch.DecodeRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// TestHotPathsDoNotAllocate guards what the benchmarks show.
func TestHotPathsDoNotAllocate(t *testing.T) {
	var builder recordbatch.Builder
	entry := benchEntry()
	buf := benchBatch(&builder, entry, nil)
	if n := testing.AllocsPerRun(10, func() { buf = benchBatch(&builder, entry, buf[:0]) }); n != 0 {
		t.Errorf("building a batch of %d records allocates %v times", benchRecords, n)
	}
	var err error
	if n := testing.AllocsPerRun(10, func() {
		batch, _, parseErr := recordbatch.Parse(buf)
		err = parseErr
		for r, recordErr := range batch.Records() {
			if _, ok := r.Headers.Get("type"); !ok {
				err = fmt.Errorf("record %d has no type", r.Offset)
			}
			if recordErr != nil {
				err = recordErr
			}
		}
	}); n > 1 || err != nil {
		t.Errorf("reading a batch of %d records allocates %v times (error %v)", benchRecords, n, err)
	}
}
