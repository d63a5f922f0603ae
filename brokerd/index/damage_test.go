package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestDamagedFiles changes every file of an index in many ways. Open and reading either tell of the damage or give what a rebuild gives.
func TestDamagedFiles(t *testing.T) {
	const seed, runs = 3, 12
	pristine := vfs.NewMem()
	s := newScript(seed, 600)
	db, err := Open("/index", Config{fs: pristine})
	if err != nil {
		t.Fatal(err)
	}
	for range runs {
		s.play(t, db)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := newRebuilds(t, newScript(seed, 600), open(t, t.TempDir()))
	names, err := pristine.List("/index")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	damaged, fine := 0, 0
	for _, name := range names {
		path := pristine.PathJoin("/index", name)
		content := fileOf(t, pristine, path)
		hurt := map[string][]byte{"removed": nil, "empty": {}}
		for range 6 {
			if len(content) == 0 {
				break
			}
			flipped := append([]byte{}, content...)
			flipped[random.IntN(len(flipped))] ^= byte(1 << random.IntN(8))
			hurt["flipped "+string(rune('a'+len(hurt)))] = flipped
			cut := random.IntN(len(content))
			hurt["cut "+string(rune('a'+len(hurt)))] = content[:cut]
		}
		for how, after := range hurt {
			t.Run(name+" "+how, func(t *testing.T) {
				disk := cloneOf(t, pristine)
				if err := disk.Remove(path); err != nil {
					t.Fatal(err)
				}
				if after != nil {
					writeFile(t, disk, path, after)
				}
				if survives(t, disk, want) {
					fine++
				} else {
					damaged++
				}
			})
		}
	}
	t.Logf("%d times damage was reported, %d times the index was sound", damaged, fine)
	if damaged == 0 {
		t.Error("no damage was reported: the test proves nothing")
	}
}

// survives says whether an index opens and reads as a rebuild does. The only other outcome is ErrDamaged.
func survives(t *testing.T, disk vfs.FS, want *rebuilds) bool {
	t.Helper()
	db, err := Open("/index", Config{fs: disk})
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("Open: %v", err)
		}
		return false
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	if _, _, err = db.Watermark(); err == nil {
		_, _, err = fingerprint(db)
	}
	if err == nil {
		err = lookUp(t, db)
	}
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("reading: %v", err)
		}
		return false
	}
	want.check(t, db)
	return true
}

// lookUp checks with some of the streams that the lookups, which go by way of the bloom filters, find what is there.
func lookUp(t *testing.T, db *DB) error {
	t.Helper()
	var streams [][]byte
	err := db.read(&pebble.IterOptions{LowerBound: []byte{rowStream}, UpperBound: []byte{rowStream + 1}}, func(i *pebble.Iterator) error {
		for ok := i.First(); ok; ok = i.Next() {
			if key := i.Key(); key[len(key)-1] == suffixHead && splitKey(key) == len(key)-1 {
				streams = append(streams, bytes.Clone(key[1:len(key)-1]))
			}
		}
		return nil
	})
	for n := 0; n < len(streams); n += 11 {
		s := streams[n]
		partition, stream := int32(binary.BigEndian.Uint32(s)), string(s[4:len(s)-1])
		head, headErr := db.Head(partition, stream)
		newest := int64(0)
		streamErr := db.Stream(partition, stream, 1, func(v int64, _ Pointer) bool { newest = v; return true })
		if err = errors.Join(err, headErr, streamErr); err != nil {
			return err
		}
		if head == 0 || head != newest {
			t.Errorf("%s: head %d, newest event %d", stream, head, newest)
		}
	}
	return errors.Join(err, lookUpTerms(t, db))
}

// lookUpTerms checks with some of the types and tags that queries find what is there.
func lookUpTerms(t *testing.T, db *DB) error {
	t.Helper()
	var queries []Query
	err := db.read(&pebble.IterOptions{LowerBound: []byte{rowTag}}, func(i *pebble.Iterator) error {
		for ok := i.First(); ok; ok = i.Next() {
			key := bytes.Clone(i.Key())
			q := Query{Partition: int32(binary.BigEndian.Uint32(key[1:]))}
			name, rest, err := cutName(key[nameStart:])
			if err != nil {
				return err
			}
			if key[0] == rowTag {
				q.Tags = [][]byte{name}
				if name, rest, err = cutName(rest); err != nil {
					return err
				}
				if q.After, err = offsetOf(rest); err != nil {
					return err
				}
			}
			q.Types = [][]byte{name}
			queries = append(queries, q)
		}
		return nil
	})
	for n := 0; n < len(queries); n += 7 {
		offset, found, findErr := db.Find(queries[n], new(Steps))
		if err = errors.Join(err, findErr); err != nil {
			return err
		}
		if !found || len(queries[n].Tags) > 0 && offset != queries[n].After {
			t.Errorf("%+v: found %t at %d", queries[n], found, offset)
		}
	}
	return err
}

func fileOf(t *testing.T, disk vfs.FS, path string) []byte {
	t.Helper()
	f, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, disk vfs.FS, path string, content []byte) {
	t.Helper()
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func cloneOf(t *testing.T, disk vfs.FS) *vfs.MemFS {
	t.Helper()
	clone := vfs.NewMem()
	if ok, err := vfs.Clone(disk, clone, "/index", "/index"); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return clone
}

// TestDamagedIndexIsRebuilt is what a shard does when a lookup meets damage.
func TestDamagedIndexIsRebuilt(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	newScript(1, 600).play(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("%v, %v", tables, err)
	}
	for _, table := range tables {
		if err := os.Truncate(table, 10); err != nil {
			t.Fatal(err)
		}
	}
	db, err = Open(dir, Config{})
	if err == nil {
		_, _, err = db.Watermark()
		if errors.Is(err, ErrDamaged) {
			if again := db.Apply(NewTail(), nil, markOf(2)); !errors.Is(again, ErrDamaged) {
				t.Errorf("Apply after damage: %v", again)
			}
		}
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if damaged := new(DamagedError); !errors.As(err, &damaged) || damaged.Dir != dir {
		t.Fatalf("met %v", err)
	}
	if err := Drop(dir); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := open(t, dir).Watermark(); ok || err != nil {
		t.Errorf("after Drop: %t, %v", ok, err)
	}
}

func TestDirectoryOfAnotherLayout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "CURRENT"), []byte("MANIFEST-000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Config{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open: %v", err)
	}
}

// TestFullDisk lets every change of the disk fail from some point on. Nothing may hang, a full disk is not damage, and when there is room again
// the index is what the runs up to its watermark made of it.
func TestFullDisk(t *testing.T) {
	const seed, large = 1, 600
	want := newRebuilds(t, newScript(seed, large), open(t, t.TempDir()))
	where, kept := map[string]int{}, map[uint64]bool{}
	for room := int64(0); room < 200; room += 3 {
		var left atomic.Int64
		left.Store(room)
		full := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && left.Add(-1) < 0 {
				return syscall.ENOSPC
			}
			return nil
		})
		disk := vfs.NewMem()
		met, err := fill(t, newScript(seed, large), errorfs.Wrap(disk, full))
		where[met]++
		if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrDamaged) {
			t.Fatalf("room for %d changes: %s: %v", room, met, err)
		}
		db, err := Open("/index", Config{fs: disk})
		if errors.Is(err, ErrDamaged) && met == "Open" {
			continue // it was never open, so nothing was in it
		}
		if err != nil {
			t.Fatalf("room for %d changes, then more: %v", room, err)
		}
		kept[want.check(t, db)] = true
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("met in %v", where)
	if where["Open"] == 0 || where["Apply"] == 0 || len(kept) < 5 {
		t.Errorf("met in %v, %d watermarks: the test proves nothing", where, len(kept))
	}
}

// fill applies runs until an error, and closes the index.
func fill(t *testing.T, s *script, disk vfs.FS) (where string, err error) {
	t.Helper()
	db, err := Open("/index", Config{fs: disk})
	if err != nil {
		return "Open", err
	}
	for err == nil && s.seq < 200 {
		where, err = "Apply", db.Apply(s.next(t))
	}
	<-db.watched
	if _, headErr := db.Head(0, streamName(0)); !errors.Is(headErr, syscall.ENOSPC) || !db.stopped {
		t.Errorf("after %v: Head: %v; Pebble was stopped: %t", err, headErr, db.stopped)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	return where, err
}
