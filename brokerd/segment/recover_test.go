package segment_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

// watermark is what an index remembers of a log.
type watermark struct {
	next int64
	end  segment.Place
}

// TestCutAndRefill drives a log against a list of batches: it grows, crashes with whatever an unsynced file may hold behind the
// watermark, is cut there and refilled.
func TestCutAndRefill(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "log")
		if err != nil {
			t.Fatal(err)
		}
		cfg := segment.Config{Dir: dir, BytesMax: rapid.Int64Range(1, 5000).Draw(t, "file bytes"), FilesOpenMax: 2}
		l, err := segment.Open(cfg, 0, segment.Place{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		src := newSource()
		var batches [][]byte                       // the partition as the shard's log has it
		var places []segment.Place                 // of each batch, as they were when it was first appended
		marks := []watermark{{0, segment.Place{}}} // before each batch, and the end
		held := 0                                  // batches that the log holds

		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				if held == len(batches) {
					batches = append(batches, src.batch(rapid.IntRange(1, 5).Draw(t, "records"), rapid.IntRange(0, 1000).Draw(t, "bytes")))
				}
				p, err := l.Append(batches[held])
				if err != nil {
					t.Fatal(err)
				}
				if held == len(places) {
					places = append(places, p)
					marks = append(marks, watermark{l.Next(), l.End()})
				}
				held++
				if p != places[held-1] || l.Next() != marks[held].next || l.End() != marks[held].end {
					t.Fatalf("batch %d lies at %v, next %d, end %v; before it was %v, %v", held-1, p, l.Next(), l.End(), places[held-1], marks[held])
				}
			},
			"sync": func(t *rapid.T) {
				if err := l.Sync(); err != nil {
					t.Fatal(err)
				}
			},
			"crash": func(t *rapid.T) {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				held = rapid.IntRange(0, held).Draw(t, "batches below the watermark")
				m := marks[held]
				tail := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "torn tail")
				if paths := segmentFiles(t, dir); len(paths) > 0 {
					last := paths[len(paths)-1]
					old, err := os.ReadFile(last)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(last, append(old, tail...), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if l, err = segment.Open(cfg, m.next, m.end); err != nil {
					t.Fatal(err)
				}
			},
			"read": func(t *rapid.T) {
				offset := rapid.Int64Range(0, l.Next()).Draw(t, "offset")
				maxBytes := rapid.IntRange(0, 5000).Draw(t, "max bytes")
				first := 0
				for first < held && marks[first+1].next <= offset {
					first++
				}
				if want := bytes.Join(batches[first:held], nil); !bytes.Equal(readAll(t, l, offset, maxBytes), want) {
					t.Fatalf("reading from %d on does not give batches %d to %d", offset, first, held)
				}
			},
			"": func(t *rapid.T) {
				if l.Start() != 0 || l.Next() != marks[held].next || l.End() != marks[held].end {
					t.Fatalf("start %d, next %d, end %v; want 0, %v", l.Start(), l.Next(), l.End(), marks[held])
				}
				for i, p := range places[:held] {
					b := make([]byte, len(batches[i]))
					if err := l.ReadAt(p, b); err != nil || !bytes.Equal(b, batches[i]) {
						t.Fatalf("batch %d is not at %v (error %v)", i, p, err)
					}
				}
			},
		})
	})
}

// filled closes a log of several files and returns what is needed to open it again.
func filled(t *testing.T) (cfg segment.Config, m watermark, paths []string) {
	t.Helper()
	cfg = segment.Config{Dir: t.TempDir(), BytesMax: 3000}
	l := open(t, cfg, 0, segment.Place{})
	src := newSource()
	for range 40 {
		appendAll(t, l, src.batch(3, 50))
	}
	m = watermark{l.Next(), l.End()}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if paths = segmentFiles(t, cfg.Dir); len(paths) < 4 {
		t.Fatalf("%d files are too few for this test", len(paths))
	}
	return cfg, m, paths
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func flip(t *testing.T, path string, pos int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, pos); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b, pos); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenNoticesWhatIsMissing(t *testing.T) {
	tests := []struct {
		name string
		edit func(t *testing.T, m *watermark, last string)
	}{
		{"the last byte", func(t *testing.T, m *watermark, last string) { truncate(t, last, m.end.Pos-1) }},
		{"the last file's content", func(t *testing.T, _ *watermark, last string) { truncate(t, last, 0) }},
		{"the last file", func(t *testing.T, _ *watermark, last string) { remove(t, last) }},
		{"a batch that never reached the disk", func(t *testing.T, m *watermark, last string) {
			truncate(t, last, m.end.Pos-400)
			truncate(t, last, m.end.Pos)
		}},
		{"a header", func(t *testing.T, _ *watermark, last string) { flip(t, last, 16) }},
		{"a base offset", func(t *testing.T, _ *watermark, last string) { flip(t, last, 7) }},
		{"an end between two batches", func(_ *testing.T, m *watermark, _ string) { m.end.Pos-- }},
		{"another next offset", func(_ *testing.T, m *watermark, _ string) { m.next++ }},
		{"a file of the end's name", func(_ *testing.T, m *watermark, _ string) { m.end.File-- }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, m, paths := filled(t)
			tt.edit(t, &m, paths[len(paths)-1])
			l, err := segment.Open(cfg, m.next, m.end)
			if !errors.Is(err, segment.ErrCorrupt) {
				t.Fatalf("error %v, want ErrCorrupt", err)
			}
			if l != nil {
				t.Error("a log was opened beside the error")
			}
		})
	}
}

func TestOpenCutsNothingWhenAFileIsShort(t *testing.T) {
	cfg, m, paths := filled(t)
	second := paths[1]
	base, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(second), ".batches"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(second)
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []segment.Place{{File: base, Pos: info.Size() + 1}, {File: base + 1, Pos: 1}} {
		_, err := segment.Open(cfg, m.next, end)
		if e, ok := errors.AsType[*segment.CorruptError](err); !ok || end.File == base && (e.Path != second || e.Pos != info.Size()) {
			t.Errorf("end %v: error %v", end, err)
		}
	}
	if n := len(segmentFiles(t, cfg.Dir)); n != len(paths) {
		t.Errorf("%d files are left of %d", n, len(paths))
	}
	l := open(t, cfg, m.next, m.end)
	if _, err := readUntilError(t, l); err != nil {
		t.Error(err)
	}
}

func TestOpenLeavesForeignFilesAlone(t *testing.T) {
	cfg, m, paths := filled(t)
	for _, name := range []string{"notes.txt", "99999999999999999999.batches", "7.batches", "x.batches"} {
		if err := os.WriteFile(filepath.Join(cfg.Dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := open(t, cfg, m.next, m.end)
	readAll(t, l, 0, 1000)
	l = open(t, cfg, 0, segment.Place{})
	if l.Next() != 0 {
		t.Errorf("next %d", l.Next())
	}
	entries, err := os.ReadDir(cfg.Dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("%d files are left of %d and 4 (error %v)", len(entries), len(paths), err)
	}
}

// readUntilError reads from the beginning to the end or to an error, and checks that nothing is skipped.
func readUntilError(t *testing.T, l *segment.Log) (all []byte, err error) {
	t.Helper()
	for offset := int64(0); ; {
		b, err := l.Read(offset, 1<<20)
		if b == nil || err != nil {
			return all, err
		}
		all = append(all, b...)
		for rest := b; len(rest) > 0; {
			var batch recordbatch.Batch
			if batch, rest, err = recordbatch.Parse(rest); err != nil {
				t.Fatal(err)
			}
			if batch.Info().BaseOffset != offset {
				t.Fatalf("offset %d follows %d", batch.Info().BaseOffset, offset-1)
			}
			offset = batch.Info().Next()
		}
	}
}

// TestReadNoticesDamage flips each byte of a log, one at a time. Reading must end at the batch that holds it, neither before nor behind.
func TestReadNoticesDamage(t *testing.T) {
	src := newSource()
	batches := [][]byte{src.batch(1, 20), src.batch(2, 0), src.batch(1, 10), src.batch(3, 5)}
	dir := t.TempDir()
	l := open(t, segment.Config{Dir: dir}, 0, segment.Place{})
	places := appendAll(t, l, batches...)
	path := segmentFiles(t, dir)[0]
	for i, b := range batches {
		for j := range b {
			const epochBegin, epochEnd = 12, 16 // the leader epoch, which nothing covers
			if j >= epochBegin && j < epochEnd {
				continue
			}
			flip(t, path, places[i].Pos+int64(j))
			got, err := readUntilError(t, l)
			if e, ok := errors.AsType[*segment.CorruptError](err); !ok || e.Pos != places[i].Pos || e.Path != path {
				t.Errorf("byte %d of batch %d: error %v", j, i, err)
			}
			if want := bytes.Join(batches[:i], nil); !bytes.Equal(got, want) {
				t.Errorf("byte %d of batch %d: %d bytes were read before the error, want %d", j, i, len(got), len(want))
			}
			flip(t, path, places[i].Pos+int64(j))
		}
	}
	if _, err := readUntilError(t, l); err != nil {
		t.Errorf("the log is whole again, and yet: %v", err)
	}
}

// TestReadNoticesDamageInOlderFiles damages the second file of several.
func TestReadNoticesDamageInOlderFiles(t *testing.T) {
	tests := []struct {
		name string
		edit func(t *testing.T, path string)
	}{
		{"a header", func(t *testing.T, path string) { flip(t, path, 16) }},
		{"a value", func(t *testing.T, path string) { flip(t, path, 100) }},
		{"a base offset", func(t *testing.T, path string) { flip(t, path, 7) }},
		{"a length", func(t *testing.T, path string) { flip(t, path, 8) }},
		{"a short file", func(t *testing.T, path string) { truncate(t, path, 2000) }},
		{"an empty file", func(t *testing.T, path string) { truncate(t, path, 0) }},
		{"a missing file", remove},
	}
	for _, tt := range tests {
		t.Run(tt.name+" before it is opened", func(t *testing.T) {
			cfg, m, paths := filled(t)
			tt.edit(t, paths[1])
			l := open(t, cfg, m.next, m.end)
			if _, err := readUntilError(t, l); !errors.Is(err, segment.ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
		})
		t.Run(tt.name+" while it is open", func(t *testing.T) {
			cfg, m, paths := filled(t)
			cfg.FilesOpenMax = 1 // so that the file itself is not open when it is damaged
			l := open(t, cfg, m.next, m.end)
			if _, err := readUntilError(t, l); err != nil {
				t.Fatal(err)
			}
			tt.edit(t, paths[1])
			if _, err := readUntilError(t, l); !errors.Is(err, segment.ErrCorrupt) {
				t.Errorf("error %v, want ErrCorrupt", err)
			}
		})
	}
}

// TestFailedAppendEndsAppending lets the creation of the second file fail.
func TestFailedAppendEndsAppending(t *testing.T) {
	cfg := segment.Config{Dir: t.TempDir(), BytesMax: 1}
	l := open(t, cfg, 0, segment.Place{})
	src := newSource()
	first, second := src.batch(3, 10), src.batch(3, 10)
	appendAll(t, l, first)
	m := watermark{l.Next(), l.End()}
	stray := filepath.Join(cfg.Dir, "00000000000000000003.batches")
	if err := os.WriteFile(stray, []byte("stray"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := l.Append(second); !errors.Is(err, os.ErrExist) {
			t.Errorf("append: error %v, want os.ErrExist", err)
		}
	}
	if err := l.Sync(); !errors.Is(err, os.ErrExist) {
		t.Errorf("sync: error %v, want os.ErrExist", err)
	}
	if l.Next() != m.next || l.End() != m.end {
		t.Errorf("next %d, end %v, want %v", l.Next(), l.End(), m)
	}
	if b, err := l.Read(0, 1); err != nil || !bytes.Equal(b, first) {
		t.Errorf("read: %d bytes, error %v", len(b), err)
	}
	l = open(t, cfg, m.next, m.end)
	appendAll(t, l, second)
	if b, err := readUntilError(t, l); err != nil || !bytes.Equal(b, append(first, second...)) {
		t.Errorf("after opening again: %d bytes, error %v", len(b), err)
	}
}
