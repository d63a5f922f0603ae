package segment_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

// TestHeader: of every offset the header and the place of its batch are found, by the writer's own marks and by those of a log that was opened again.
func TestHeader(t *testing.T) {
	dir := t.TempDir()
	cfg := segment.Config{Dir: dir, BytesMax: 300 << 10}
	l := open(t, cfg, 0, segment.Place{})
	batches := newSource().batches(300)
	places := appendAll(t, l, batches...)
	next, end := l.Next(), l.End()
	check := func(l *segment.Log) {
		t.Helper()
		offset := int64(0)
		for i, want := range batches {
			b, _, err := recordbatch.Parse(want)
			if err != nil {
				t.Fatal(err)
			}
			for ; offset < b.Info().Next(); offset++ {
				info, at, err := l.Header(offset)
				if err != nil || at != places[i] {
					t.Fatalf("offset %d: found at %v, %v; want %v", offset, at, err, places[i])
				}
				if diff := cmp.Diff(b.Info(), info); diff != "" {
					t.Fatalf("offset %d (-want +got):\n%s", offset, diff)
				}
				raw := make([]byte, info.Length)
				if err := l.ReadAt(at, raw); err != nil || string(raw) != string(want) {
					t.Fatalf("offset %d: read %d bytes, %v", offset, len(raw), err)
				}
			}
		}
		for _, offset := range []int64{-1, next, next + 1} {
			if _, _, err := l.Header(offset); !errors.Is(err, segment.ErrOffsetRange) {
				t.Errorf("offset %d of %d: %v", offset, next, err)
			}
		}
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, cfg, next, end)
	check(l)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("files %q, %v", files, err)
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{0xff, 0xff}, places[2].Pos+6); err != nil { // in its base offset, which no checksum covers
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, _, _ := recordbatch.Parse(batches[2])
	if _, _, err := l.Header(b.Info().BaseOffset); !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("a batch that lies: %v", err)
	}
}
