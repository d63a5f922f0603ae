package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

// source makes the same partition again and again: batches of different sizes that follow each other.
type source struct {
	next int64
	rand *rand.Rand
	b    recordbatch.Builder
}

func newSource() *source { return &source{rand: rand.New(rand.NewPCG(1, 2))} }

// batch makes the next batch, of count records with values of size bytes.
func (s *source) batch(count, size int) []byte {
	s.b.Reset(s.next, 1000, 1)
	value := make([]byte, size)
	for i := range count {
		for j := range value {
			value[j] = byte(s.rand.Uint32())
		}
		s.b.Append(recordbatch.Entry{Timestamp: 1000, Key: fmt.Appendf(nil, "account-%d", s.next+int64(i)), Value: value})
	}
	s.next += int64(count)
	return s.b.AppendTo(nil)
}

// batches makes n batches of various sizes: some of one small record, some larger than the distance of two marks.
func (s *source) batches(n int) (all [][]byte) {
	for range n {
		switch s.rand.IntN(10) {
		case 0:
			all = append(all, s.batch(100, 1000))
		case 1, 2:
			all = append(all, s.batch(1, 20000))
		default:
			all = append(all, s.batch(1+s.rand.IntN(10), s.rand.IntN(300)))
		}
	}
	return all
}

func open(t testing.TB, cfg segment.Config, next int64, end segment.Place) *segment.Log {
	t.Helper()
	l, err := segment.Open(cfg, next, end)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func appendAll(t testing.TB, l *segment.Log, batches ...[]byte) (places []segment.Place) {
	t.Helper()
	for _, b := range batches {
		p, err := l.Append(b)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, p)
	}
	return places
}

// readAll reads from offset to the end, as much as maxBytes at a time.
func readAll(t rapid.TB, l *segment.Log, offset int64, maxBytes int) []byte {
	t.Helper()
	var all []byte
	for {
		b, err := l.Read(offset, maxBytes)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			return all
		}
		all = append(all, b...)
		for rest := b; len(rest) > 0; {
			var batch recordbatch.Batch
			if batch, rest, err = recordbatch.Parse(rest); err != nil {
				t.Fatal(err)
			}
			offset = batch.Info().Next()
		}
	}
}

func segmentFiles(t rapid.TB, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.batches"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestNewLogIsEmpty(t *testing.T) {
	for _, next := range []int64{0, 500} {
		l := open(t, segment.Config{Dir: filepath.Join(t.TempDir(), "a", "b")}, next, segment.Place{})
		if l.Start() != next || l.Next() != next || l.End() != (segment.Place{File: next}) {
			t.Errorf("start %d, next %d, end %v; want all at %d", l.Start(), l.Next(), l.End(), next)
		}
		if b, err := l.Read(next, 1); b != nil || err != nil {
			t.Errorf("read at next: %d bytes, error %v", len(b), err)
		}
		if err := l.Sync(); err != nil {
			t.Error(err)
		}
	}
}

func TestAppendThenRead(t *testing.T) {
	for _, bytesMax := range []int64{0, 1, 100_000} {
		t.Run(fmt.Sprintf("files of %d bytes", bytesMax), func(t *testing.T) {
			cfg := segment.Config{Dir: t.TempDir(), BytesMax: bytesMax, FilesOpenMax: 3}
			l := open(t, cfg, 0, segment.Place{})
			src := newSource()
			batches := src.batches(60)
			places := appendAll(t, l, batches...)
			want := bytes.Join(batches, nil)

			check := func(t *testing.T, l *segment.Log) {
				t.Helper()
				if l.Start() != 0 || l.Next() != src.next {
					t.Errorf("start %d, next %d, want 0, %d", l.Start(), l.Next(), src.next)
				}
				for _, maxBytes := range []int{-1, 0, 1, 5000, 100_000, 1 << 30, 1<<63 - 1} {
					if !bytes.Equal(readAll(t, l, 0, maxBytes), want) {
						t.Errorf("reading %d bytes at a time gives other bytes than were appended", maxBytes)
					}
				}
				offset := int64(0)
				for i, b := range batches {
					info, err := recordbatch.Peek(b)
					if err != nil {
						t.Fatal(err)
					}
					for ; offset < info.Next(); offset++ {
						if got, err := l.Read(offset, 1); err != nil || !bytes.Equal(got, b) {
							t.Fatalf("read at %d: %d bytes, error %v; want batch %d of %d bytes", offset, len(got), err, i, len(b))
						}
					}
					got := make([]byte, len(b))
					if err := l.ReadAt(places[i], got); err != nil || !bytes.Equal(got, b) {
						t.Fatalf("batch %d is not at its place %v (error %v)", i, places[i], err)
					}
				}
			}
			check(t, l)
			if err := l.Sync(); err != nil {
				t.Fatal(err)
			}
			end := l.End()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			t.Run("opened again", func(t *testing.T) {
				l := open(t, cfg, src.next, end)
				if l.End() != end {
					t.Errorf("end %v, want %v", l.End(), end)
				}
				check(t, l)
			})
		})
	}
}

func TestReadKeepsToMaxBytes(t *testing.T) {
	l := open(t, segment.Config{Dir: t.TempDir()}, 0, segment.Place{})
	src := newSource()
	batches := [][]byte{src.batch(2, 10), src.batch(2, 10), src.batch(2, 10), src.batch(2, 10)}
	appendAll(t, l, batches...)
	size := len(batches[0])
	for maxBytes, want := range map[int]int{0: 1, size: 1, 2*size - 1: 1, 2 * size: 2, 2*size + 61: 2, 3 * size: 3, 100 * size: 3} {
		if b, err := l.Read(3, maxBytes); err != nil || !bytes.Equal(b, bytes.Join(batches[1:1+want], nil)) {
			t.Errorf("read of %d bytes: %d bytes, error %v; want %d batches of %d", maxBytes, len(b), err, want, size)
		}
	}
}

func TestFilesRoll(t *testing.T) {
	src := newSource()
	first, second, third, large := src.batch(10, 100), src.batch(10, 100), src.batch(5, 100), src.batch(1, 10000)
	dir := t.TempDir()
	l := open(t, segment.Config{Dir: dir, BytesMax: int64(len(first) + len(second))}, 0, segment.Place{})
	want := []segment.Place{{File: 0, Pos: 0}, {File: 0, Pos: int64(len(first))}, {File: 20, Pos: 0}, {File: 25, Pos: 0}}
	if diff := cmp.Diff(want, appendAll(t, l, first, second, third, large)); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	names := []string{filepath.Join(dir, "00000000000000000000.batches"), filepath.Join(dir, "00000000000000000020.batches"), filepath.Join(dir, "00000000000000000025.batches")}
	if diff := cmp.Diff(names, segmentFiles(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if b, err := l.Read(3, 1<<20); err != nil || len(b) != len(first)+len(second) {
		t.Errorf("read across a file's end: %d bytes, error %v; want the first file's %d", len(b), err, len(first)+len(second))
	}
}

func TestAppendRefuses(t *testing.T) {
	l := open(t, segment.Config{Dir: t.TempDir()}, 0, segment.Place{})
	src := newSource()
	first, second := src.batch(3, 10), src.batch(3, 10)
	appendAll(t, l, first)
	tests := []struct {
		name  string
		batch []byte
		want  error
	}{
		{"a batch again", first, segment.ErrGap},
		{"a batch too far", src.batch(1, 1), segment.ErrGap},
		{"two batches", append(bytes.Clone(second), second...), recordbatch.ErrCorrupt},
		{"half a batch", second[:len(second)-1], recordbatch.ErrCorrupt},
		{"nothing", nil, recordbatch.ErrShort},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := l.Append(tt.batch); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	_, err := l.Append(first)
	if e, ok := errors.AsType[*segment.GapError](err); !ok || e.Base != 0 || e.Next != 3 {
		t.Errorf("error %v, want a gap between 0 and 3", err)
	}
	appendAll(t, l, second)
	if !bytes.Equal(readAll(t, l, 0, 1), append(first, second...)) {
		t.Error("a refused append has left something behind")
	}
}

func TestReadOutOfRange(t *testing.T) {
	l := open(t, segment.Config{Dir: t.TempDir()}, 100, segment.Place{})
	src := newSource()
	src.next = 100
	appendAll(t, l, src.batch(10, 10))
	for _, offset := range []int64{-1, 0, 99, 111, 1 << 62} {
		_, err := l.Read(offset, 1)
		want := segment.RangeError{Offset: offset, Start: 100, Next: 110}
		if e, ok := errors.AsType[*segment.RangeError](err); !ok || !errors.Is(err, segment.ErrOffsetRange) || e.Offset != want.Offset || e.Start != want.Start || e.Next != want.Next {
			t.Errorf("read at %d: error %v, want %v", offset, err, &want)
		}
	}
}

func TestReadAtRefusesPlacesOutside(t *testing.T) {
	l := open(t, segment.Config{Dir: t.TempDir()}, 0, segment.Place{})
	batch := newSource().batch(1, 10)
	appendAll(t, l, batch)
	size := int64(len(batch))
	for _, p := range []segment.Place{{File: 1}, {File: -1}, {Pos: -1}, {Pos: size}, {Pos: size - 1}, {Pos: 1<<63 - 1}} {
		if err := l.ReadAt(p, make([]byte, 2)); !errors.Is(err, segment.ErrCorrupt) {
			t.Errorf("place %v: error %v, want ErrCorrupt", p, err)
		}
	}
	if err := l.ReadAt(segment.Place{Pos: size - 2}, make([]byte, 2)); err != nil {
		t.Error(err)
	}
}

func TestClosedLog(t *testing.T) {
	dir := t.TempDir()
	l := open(t, segment.Config{Dir: dir}, 0, segment.Place{})
	src := newSource()
	appendAll(t, l, src.batch(1, 1))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, appendErr := l.Append(src.batch(1, 1))
	_, readErr := l.Read(0, 1)
	for name, err := range map[string]error{"Append": appendErr, "Read": readErr, "ReadAt": l.ReadAt(segment.Place{}, make([]byte, 1)), "Sync": l.Sync()} {
		if !errors.Is(err, segment.ErrClosed) {
			t.Errorf("%s: error %v, want ErrClosed", name, err)
		}
	}
	if len(segmentFiles(t, dir)) != 1 {
		t.Error("Close has changed the files")
	}
}

func TestRemove(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "log")
		l := open(t, segment.Config{Dir: dir, BytesMax: 1}, 0, segment.Place{})
		appendAll(t, l, newSource().batches(5)...)
		if foreign {
			if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := l.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(segmentFiles(t, dir)); n > 0 {
			t.Errorf("%d files are left", n)
		}
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) == foreign {
			t.Errorf("foreign file: %t, directory: %v", foreign, err)
		}
	}
}
