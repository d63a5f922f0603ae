package segment_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
	"github.com/strandlog/strand/internal/recordbatch"
)

// TestReadersBesideWriter has one goroutine append to small files, one sync, and several follow what was appended. With a single
// descriptor to keep, files are closed under the readers all the time.
func TestReadersBesideWriter(t *testing.T) {
	cfg := segment.Config{Dir: t.TempDir(), BytesMax: 4000, FilesOpenMax: 1}
	l := open(t, cfg, 0, segment.Place{})
	src := newSource()
	var batches [][]byte
	for range 100 {
		batches = append(batches, src.batch(1+src.rand.IntN(5), src.rand.IntN(300)))
	}

	type appended struct {
		index int
		place segment.Place
	}
	const readers = 3
	var news [readers]chan appended
	for i := range news {
		news[i] = make(chan appended, len(batches))
	}
	syncs := make(chan struct{}, len(batches))

	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(syncs)
		for i, b := range batches {
			p, err := l.Append(b)
			if err != nil {
				t.Error(err)
			}
			for _, c := range news {
				c <- appended{i, p}
			}
			syncs <- struct{}{}
		}
		for _, c := range news {
			close(c)
		}
	})
	wg.Go(func() {
		for range syncs {
			if err := l.Sync(); err != nil {
				t.Error(err)
			}
		}
	})
	for i, c := range news {
		wg.Go(func() {
			for a := range c {
				want := batches[a.index]
				if b, err := followingBatch(l, batches, a.index); err != nil || !bytes.Equal(b, want) {
					t.Errorf("reader %d: batch %d: %d bytes, error %v", i, a.index, len(b), err)
				}
				b := make([]byte, len(want))
				if err := l.ReadAt(a.place, b); err != nil || !bytes.Equal(b, want) {
					t.Errorf("reader %d: batch %d is not at %v (error %v)", i, a.index, a.place, err)
				}
				old := (a.index * 7) % (a.index + 1) // somewhere in the older files
				if b, err := followingBatch(l, batches, old); err != nil || !bytes.Equal(b, batches[old]) {
					t.Errorf("reader %d: batch %d: %d bytes, error %v", i, old, len(b), err)
				}
			}
		})
	}
	wg.Wait()
	if got := readAll(t, l, 0, 1<<20); !bytes.Equal(got, bytes.Join(batches, nil)) {
		t.Error("the log differs from what was appended")
	}
}

// TestReadersTakeDescriptorsFromEachOther reads from more files at once than may be open.
func TestReadersTakeDescriptorsFromEachOther(t *testing.T) {
	cfg := segment.Config{Dir: t.TempDir(), BytesMax: 1, FilesOpenMax: 1}
	l := open(t, cfg, 0, segment.Place{})
	src := newSource()
	var batches [][]byte
	for range 8 {
		batches = append(batches, src.batch(1, 10))
	}
	places := appendAll(t, l, batches...)
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i, want := range batches {
		wg.Go(func() {
			got := make([]byte, len(want))
			for range 500 {
				if err := l.ReadAt(places[i], got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("batch %d is not at %v (error %v)", i, places[i], err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// followingBatch reads more than batch i from its first offset on and returns it alone.
func followingBatch(l *segment.Log, batches [][]byte, i int) ([]byte, error) {
	info, err := recordbatch.Peek(batches[i])
	if err != nil {
		return nil, err
	}
	b, err := l.Read(info.BaseOffset, 10_000)
	if err != nil {
		return nil, err
	}
	batch, _, err := recordbatch.Parse(b)
	return batch.Bytes(), err
}

// TestCloseBesideReaders closes a log under its readers and writer: each call succeeds or says ErrClosed.
func TestCloseBesideReaders(t *testing.T) {
	dir := t.TempDir()
	l := open(t, segment.Config{Dir: dir, BytesMax: 20_000, FilesOpenMax: 1}, 0, segment.Place{})
	src := newSource()
	first := src.batch(2, 50)
	appendAll(t, l, first)
	var wg sync.WaitGroup
	started := make(chan struct{}, 3)
	loop := func(call func() error) {
		wg.Go(func() {
			for first := true; ; first = false {
				if err := call(); errors.Is(err, segment.ErrClosed) {
					break
				} else if err != nil {
					t.Error(err)
					break
				}
				if first {
					started <- struct{}{}
				}
			}
		})
	}
	loop(func() error { _, err := l.Append(src.batch(1, 50)); return err })
	loop(func() error {
		b, err := l.Read(0, 1)
		if err == nil && !bytes.Equal(b, first) {
			return fmt.Errorf("read %d bytes", len(b))
		}
		return err
	})
	loop(l.Sync)
	for range cap(started) {
		<-started
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if n := openFiles(t, dir); n != 0 {
		t.Errorf("%d files are open after Close", n)
	}
}

// openFiles counts this process's descriptors of segment files below dir.
func openFiles(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list open files:", err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && strings.HasPrefix(target, dir) && strings.Contains(target, ".batches") {
			n++
		}
	}
	return n
}

func TestDescriptorsAreBounded(t *testing.T) {
	cfg := segment.Config{Dir: t.TempDir(), BytesMax: 1, FilesOpenMax: 3}
	l := open(t, cfg, 0, segment.Place{})
	appendAll(t, l, newSource().batches(10)...)
	if n := openFiles(t, cfg.Dir); n != 10 {
		t.Errorf("%d files are open before Sync, want all 10", n)
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	readAll(t, l, 0, 1)
	if n := openFiles(t, cfg.Dir); n != cfg.FilesOpenMax {
		t.Errorf("%d files are open, want %d", n, cfg.FilesOpenMax)
	}
}
