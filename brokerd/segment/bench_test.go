package segment_test

import (
	"fmt"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

func BenchmarkAppend(b *testing.B) {
	for _, records := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d records of 256 B", records), func(b *testing.B) {
			l := open(b, segment.Config{Dir: b.TempDir()}, 0, segment.Place{})
			var batch recordbatch.Builder
			var buf []byte
			value := make([]byte, 256)
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset(l.Next(), 0, 1)
				for range records {
					batch.Append(recordbatch.Entry{Value: value})
				}
				buf = batch.AppendTo(buf[:0])
				if _, err := l.Append(buf); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, records := range []int{1, 1000} {
		l := open(b, segment.Config{Dir: b.TempDir()}, 0, segment.Place{})
		var batch recordbatch.Builder
		value := make([]byte, 256)
		for l.End().Pos < 64<<20 {
			batch.Reset(l.Next(), 0, 1)
			for range records {
				batch.Append(recordbatch.Entry{Value: value})
			}
			if _, err := l.Append(batch.AppendTo(nil)); err != nil {
				b.Fatal(err)
			}
		}
		for _, maxBytes := range []int{1, 1 << 20} {
			b.Run(fmt.Sprintf("batches of %d, %d bytes", records, maxBytes), func(b *testing.B) {
				b.ReportAllocs()
				var n, offset int64
				for b.Loop() {
					got, err := l.Read(offset, maxBytes)
					if err != nil {
						b.Fatal(err)
					}
					n += int64(len(got))
					offset = (offset + 7919) % l.Next()
				}
				b.SetBytes(n / int64(b.N))
			})
		}
	}
}

func BenchmarkReadAt(b *testing.B) {
	l := open(b, segment.Config{Dir: b.TempDir()}, 0, segment.Place{})
	src := newSource()
	appendAll(b, l, src.batches(1000)...)
	record := make([]byte, 256)
	size := l.End().Pos - int64(len(record))
	b.ReportAllocs()
	var p segment.Place
	for b.Loop() {
		p.Pos = (p.Pos + 104729) % size
		if err := l.ReadAt(p, record); err != nil {
			b.Fatal(err)
		}
	}
}
