package index

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/strandlog/strand/brokerd/segment"
)

func open(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(dir, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func add(t *testing.T, tail *Tail, entries ...Entry) {
	t.Helper()
	for _, e := range entries {
		if err := tail.Add(e); err != nil {
			t.Fatal(err)
		}
	}
}

func entry(partition int32, stream string, version int64, command string) Entry {
	return Entry{Partition: partition, Stream: stream, Version: version, CommandID: command, Pointer: pointerOf(version)}
}

// pointerOf is a pointer with something in each field.
func pointerOf(n int64) Pointer {
	return Pointer{
		Offset: 1000 + n, Timestamp: 1700000000000 + n, Place: segment.Place{File: 1000, Pos: 64 * n}, Len: uint32(100 + n), Sum: 0xfeed0000 + uint32(n),
	}
}

func markOf(seq uint64) Watermark {
	return Watermark{
		LogID: uuid.UUID{1, 2, 3}, Seq: seq, Epoch: 7, Session: 8, Sum: 9, Time: 1700000000000,
		Partitions: []PartitionMark{{Next: 5, End: segment.Place{File: 1, Pos: 2}}, {}},
	}
}

type versioned struct {
	Version int64
	Pointer Pointer
}

func streamOf(t *testing.T, db *DB, partition int32, stream string, from int64) []versioned {
	t.Helper()
	var all []versioned
	if err := db.Stream(partition, stream, from, func(v int64, p Pointer) bool {
		all = append(all, versioned{v, p})
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAppliedEntriesAreFound(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	tail := NewTail()
	add(t, tail,
		entry(0, "account-alice", 1, "open"), entry(0, "account-alice", 2, "pay"), entry(0, "account-alice", 3, "pay"),
		entry(1, "account-alice", 1, ""), entry(0, "account-al", 1, "pay"), entry(0, "account-alice\x00", 1, ""), entry(0, "account-alice\x01", 1, ""),
	)
	if err := db.Apply(tail, nil, markOf(1)); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, db *DB) {
		for _, want := range []struct {
			partition int32
			stream    string
			head      int64
		}{
			{0, "account-alice", 3}, {1, "account-alice", 1}, {0, "account-al", 1}, {0, "account-alice\x00", 1}, {0, "account-alice\x01", 1},
			{2, "account-alice", 0}, {0, "account-ali", 0}, {0, "account-bob", 0}, {0, "", 0},
		} {
			head, err := db.Head(want.partition, want.stream)
			if err != nil || head != want.head {
				t.Errorf("Head(%d, %q) = %d, %v; want %d", want.partition, want.stream, head, err, want.head)
			}
		}
		want := []versioned{{2, pointerOf(2)}, {3, pointerOf(3)}}
		if diff := cmp.Diff(want, streamOf(t, db, 0, "account-alice", 2)); diff != "" {
			t.Errorf("Stream from 2 (-want +got):\n%s", diff)
		}
		if got := streamOf(t, db, 0, "account-alice", 4); got != nil {
			t.Errorf("Stream from beyond the head = %v", got)
		}
		first, count, ok, err := db.Command(0, "account-alice", "pay")
		if first != 2 || count != 2 || !ok || err != nil {
			t.Errorf("Command(pay) = %d, %d, %t, %v", first, count, ok, err)
		}
		if _, _, ok, err := db.Command(0, "account-alice", "pa"); ok || err != nil {
			t.Errorf("Command(pa) = %t, %v", ok, err)
		}
		if _, _, ok, err := db.Command(1, "account-alice", "pay"); ok || err != nil {
			t.Errorf("Command(pay) of another partition = %t, %v", ok, err)
		}
		w, ok, err := db.Watermark()
		if !ok || err != nil {
			t.Fatalf("Watermark: %t, %v", ok, err)
		}
		if diff := cmp.Diff(markOf(1), w); diff != "" {
			t.Errorf("watermark (-want +got):\n%s", diff)
		}
	}
	check(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, dir))
}

func TestStreamEndsWhenTold(t *testing.T) {
	db := open(t, t.TempDir())
	tail := NewTail()
	add(t, tail, entry(0, "a-1", 1, ""), entry(0, "a-1", 2, ""), entry(0, "a-1", 3, ""))
	if err := db.Apply(tail, nil, markOf(1)); err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string]func(fn func(int64, Pointer) bool) error{
		"tail": func(fn func(int64, Pointer) bool) error { tail.Stream(0, "a-1", 1, fn); return nil },
		"db":   func(fn func(int64, Pointer) bool) error { return db.Stream(0, "a-1", 1, fn) },
	} {
		var seen []int64
		if err := stream(func(v int64, _ Pointer) bool { seen = append(seen, v); return v < 2 }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(seen, []int64{1, 2}) {
			t.Errorf("%s: visited %v", name, seen)
		}
	}
}

func TestLaterRunsReplaceHeadsAndCommands(t *testing.T) {
	db := open(t, t.TempDir())
	for run := range int64(3) {
		tail := NewTail()
		add(t, tail, entry(0, "a-1", 2*run+1, "again"), entry(0, "a-1", 2*run+2, "other"))
		if err := db.Apply(tail, nil, markOf(uint64(run))); err != nil {
			t.Fatal(err)
		}
	}
	if head, err := db.Head(0, "a-1"); head != 6 || err != nil {
		t.Errorf("Head = %d, %v", head, err)
	}
	if first, count, ok, err := db.Command(0, "a-1", "again"); first != 5 || count != 1 || !ok || err != nil {
		t.Errorf("Command = %d, %d, %t, %v", first, count, ok, err)
	}
	if got := len(streamOf(t, db, 0, "a-1", 1)); got != 6 {
		t.Errorf("%d events", got)
	}
}

func TestProducers(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir)
	apply := func(rows map[uint64][]byte) {
		t.Helper()
		if err := db.Apply(nil, maps.All(rows), markOf(1)); err != nil {
			t.Fatal(err)
		}
	}
	apply(map[uint64][]byte{1: []byte("one"), 1 << 63: []byte("far"), 2: []byte("two"), 3: {}})
	apply(map[uint64][]byte{2: nil, 1: []byte("uno"), 9: nil})
	twice := func(yield func(uint64, []byte) bool) {
		_ = yield(8, []byte("first")) && yield(7, []byte("first")) && yield(6, nil) && yield(8, nil) && yield(7, []byte("last")) && yield(6, []byte("last"))
	}
	if err := db.Apply(nil, twice, markOf(1)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(t, dir)
	got := map[uint64]string{}
	var ids []uint64
	if err := db.Producers(func(id uint64, row []byte) bool {
		ids = append(ids, id)
		got[id] = string(row)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint64]string{1: "uno", 3: "", 6: "last", 7: "last", 1 << 63: "far"}, got); diff != "" {
		t.Errorf("producers (-want +got):\n%s", diff)
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids %v are not in order", ids)
	}
	n := 0
	if err := db.Producers(func(uint64, []byte) bool { n++; return false }); err != nil || n != 1 {
		t.Errorf("went on after false: %d rows, %v", n, err)
	}
}

func TestImpossibleWatermark(t *testing.T) {
	db := open(t, t.TempDir())
	for _, p := range []PartitionMark{{Next: -1}, {End: segment.Place{File: -1}}, {End: segment.Place{Pos: -1}}} {
		if err := db.Apply(nil, producersOf("row"), Watermark{Partitions: []PartitionMark{p}}); err == nil {
			t.Errorf("%+v was applied", p)
		}
	}
	if _, ok, err := db.Watermark(); ok || err != nil {
		t.Errorf("Watermark = %t, %v", ok, err)
	}
}

func TestEmptyIndex(t *testing.T) {
	db := open(t, t.TempDir())
	if _, ok, err := db.Watermark(); ok || err != nil {
		t.Errorf("Watermark = %t, %v", ok, err)
	}
	if head, err := db.Head(0, "a-1"); head != 0 || err != nil {
		t.Errorf("Head = %d, %v", head, err)
	}
}

func TestDirectoryInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shard", "index")
	db := open(t, dir)
	if _, err := Open(dir, Config{}); !errors.Is(err, ErrInUse) || errors.Is(err, ErrDamaged) {
		t.Errorf("second Open: %v", err)
	}
	if err := Drop(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("Drop while open: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Drop(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Drop: %v", err)
	}
	if err := Drop(dir); err != nil {
		t.Errorf("Drop of nothing: %v", err)
	}
}

func TestCallsAfterClose(t *testing.T) {
	db := open(t, t.TempDir())
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, headErr := db.Head(0, "a-1")
	_, _, markErr := db.Watermark()
	_, _, _, commandErr := db.Command(0, "a-1", "c")
	_, _, findErr := db.Find(Query{Types: [][]byte{[]byte("a.done")}}, new(Steps))
	for name, err := range map[string]error{
		"Find": findErr, "Head": headErr, "Watermark": markErr, "Command": commandErr, "Apply": db.Apply(NewTail(), nil, markOf(1)), "Sweep": db.Sweep(0, 1),
		"Stream":    db.Stream(0, "a-1", 1, func(int64, Pointer) bool { return true }),
		"Producers": db.Producers(func(uint64, []byte) bool { return true }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func producersOf(rows ...string) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		for i, row := range rows {
			if !yield(uint64(i), []byte(row)) {
				return
			}
		}
	}
}

func streamName(i int) string { return fmt.Sprintf("account-%06d", i) }
