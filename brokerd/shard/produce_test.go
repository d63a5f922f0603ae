package shard

import (
	stdcmp "cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// batches is a shard of a plain or table topic over a log and a directory that outlive it.
type batches struct {
	t   *testing.T
	log *ramLog
	cfg Config
	*testClock
	*Shard
}

// testClock is a clock that a test moves while others read it.
type testClock struct{ ms atomic.Int64 }

func (c *testClock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

func (c *testClock) pass(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func openBatches(t *testing.T, cfg Config) *batches {
	f := &batches{t: t, log: newRAMLog(), testClock: &testClock{}}
	f.pass(1_000_000 * time.Millisecond)
	cfg.Log, cfg.Dir, cfg.LogID, cfg.Layout = f.log, t.TempDir(), uuid.New(), testLayout
	cfg.SegmentBytesMax, cfg.TailMax, cfg.RetentionPolling = 64<<10, stdcmp.Or(cfg.TailMax, 500), time.Hour
	cfg.Clock = f.now
	f.cfg = cfg
	f.open()
	return f
}

func (f *batches) open() {
	f.t.Helper()
	s, err := Open(f.t.Context(), f.cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.Shard = s
	f.t.Cleanup(func() { _ = s.Close(context.WithoutCancel(f.t.Context())) })
}

// reopen closes and opens the shard; lost removes its caches in between.
func (f *batches) reopen(lost bool) {
	f.t.Helper()
	if err := f.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	if lost {
		if err := os.RemoveAll(filepath.Join(f.cfg.Dir, "index")); err != nil {
			f.t.Fatal(err)
		}
	}
	f.open()
}

type pair struct{ key, value string }

// tombstone is a value that stands for none.
const tombstone = "\x00"

func batchOf(producer uint64, number int32, codec recordbatch.Codec, records ...pair) []byte {
	var b recordbatch.Builder
	b.Reset(0, 77, 0)
	b.SetProducer(int64(producer), 0, number)
	b.SetCodec(codec)
	for _, r := range records {
		e := recordbatch.Entry{Timestamp: 77, Key: []byte(r.key), Value: []byte(r.value)}
		if r.value == tombstone {
			e.Value = nil
		}
		b.Append(e)
	}
	return b.AppendTo(nil)
}

func (f *batches) produce(producer uint64, partition int32, number int32, since uint64, records ...pair) wire.ProduceResult {
	batch := batchOf(producer, number, recordbatch.None, records...)
	answer := make(chan wire.ProduceResult, 1)
	f.Produce(0, producer, []wire.ProduceBatch{{Partition: partition, Since: since, Batch: batch}}, len(batch), func(r []wire.ProduceResult) { answer <- r[0] })
	return <-answer
}

func (f *batches) mustProduce(producer uint64, partition int32, number int32, records ...pair) wire.ProduceResult {
	f.t.Helper()
	r := f.produce(producer, partition, number, 0, records...)
	if r.Code != wire.OK {
		f.t.Fatalf("batch %d: %v %s", number, r.Code, r.Detail)
	}
	return r
}

// turn lets records go that need not be kept.
func (f *batches) turn() {
	f.t.Helper()
	if err := f.retention.turn(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *batches) start(partition int32) int64 {
	slot, _ := testLayout.Slot(partition)
	return f.Status().Starts[slot]
}

// read returns the records of a partition from its start on.
func (f *batches) read(partition int32) []recordbatch.Record {
	f.t.Helper()
	var out []recordbatch.Record
	for next := f.start(partition); ; {
		r := f.Fetch(f.t.Context(), wire.FetchRequest{Partition: partition, Offset: next, MaxBytes: 50_000}, nil, nil)
		if r.Code != wire.OK {
			f.t.Fatalf("fetching partition %d at %d: %v %s", partition, next, r.Code, r.Detail)
		}
		for rest := r.Batches; len(rest) > 0; {
			b, after, err := recordbatch.Parse(rest)
			if err != nil {
				f.t.Fatal(err)
			}
			rest = after
			for rec, err := range b.Records() {
				if err != nil {
					f.t.Fatal(err)
				}
				if rec.Offset < next {
					continue
				}
				if rec.Offset != next {
					f.t.Fatalf("partition %d: offset %d where %d is due", partition, rec.Offset, next)
				}
				out = append(out, rec)
				next++
			}
		}
		if next >= r.HighWatermark {
			return out
		}
	}
}

func (f *batches) values(partition int32) []string {
	f.t.Helper()
	var out []string
	for _, r := range f.read(partition) {
		out = append(out, string(r.Value))
	}
	return out
}

func TestProduce(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	first := f.mustProduce(7, 1, 1, pair{"a", "1"}, pair{"b", "2"})
	if first.BaseOffset != 0 || first.Timestamp != f.now().UnixMilli() {
		t.Errorf("first batch: %+v", first)
	}
	if r := f.mustProduce(7, 1, 4, pair{"c", "3"}); r.BaseOffset != 2 {
		t.Errorf("second batch: %+v", r)
	}
	f.mustProduce(8, 1, 1, pair{"d", "4"})
	check := func() {
		t.Helper()
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, f.values(1)); diff != "" {
			t.Error(diff)
		}
		for _, r := range f.read(1) {
			if r.Timestamp != f.now().UnixMilli() {
				t.Errorf("record time %d", r.Timestamp)
			}
		}
		if r := f.produce(7, 1, 1, 1, pair{"a", "1"}, pair{"b", "2"}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 0 {
			t.Errorf("the first batch again: %+v", r)
		}
		if r := f.produce(7, 1, 1, 1, pair{"a", "other"}); r.Code != wire.IDReuse {
			t.Errorf("other content under the same number: %+v", r)
		}
		if r := f.produce(7, 1, 3, 0, pair{"x", "late"}); r.Code != wire.OutOfOrder {
			t.Errorf("a number that was passed over: %+v", r)
		}
	}
	check()
	f.reopen(false)
	check()
	f.reopen(true)
	check()
	if r := f.produce(7, 1, 5, 1, pair{"e", "5"}); r.Code != wire.OK || r.BaseOffset != 4 {
		t.Errorf("a new batch of a known producer that was sent before: %+v", r)
	}
	if r := f.produce(99, 1, 1, 1, pair{"f", "6"}); r.Code != wire.OK {
		t.Errorf("a batch of a new producer that was sent before: %+v", r)
	}
	// Two hours later producers are forgotten that have stored nothing in this session: what may be theirs is not stored again.
	f.pass(2 * time.Hour)
	f.mustProduce(7, 1, 6, pair{"g", "7"})
	if _, err := f.store.cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, producer := range []uint64{8, 1234} {
		if r := f.produce(producer, 1, 1, 1, pair{"d", "4"}); r.Code != wire.Unknown {
			t.Errorf("a batch of producer %d, unknown now, that was sent in a session before: %+v", producer, r)
		}
	}
	epoch := f.Status().Epoch
	if r := f.produce(99, 1, 1, epoch, pair{"f", "6"}); r.Code != wire.Unknown {
		t.Errorf("a batch that was stored in this session, by a producer that is idle: %+v", r)
	}
	for producer, since := range map[uint64]uint64{1235: epoch, 1236: 0} {
		if r := f.produce(producer, 1, 1, since, pair{"h", "8"}); r.Code != wire.OK || r.Duplicate {
			t.Errorf("a batch of a new producer, sent since epoch %d: %+v", since, r)
		}
	}
}

func TestProduceRefuses(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	good := batchOf(7, 1, recordbatch.None, pair{keyOf(1, 0), "v"})
	flipped := slices.Clone(good)
	flipped[len(flipped)-3] ^= 1
	for name, p := range map[string]wire.ProduceBatch{
		"damaged":                         {Partition: 1, Batch: flipped},
		"cut":                             {Partition: 1, Batch: good[:len(good)-1]},
		"two":                             {Partition: 1, Batch: append(slices.Clone(good), good...)},
		"another producer":                {Partition: 1, Batch: batchOf(8, 1, recordbatch.None, pair{keyOf(1, 0), "v"})},
		"no number":                       {Partition: 1, Batch: batchOf(7, 0, recordbatch.None, pair{keyOf(1, 0), "v"})},
		"no such partition":               {Partition: 3, Batch: good},
		"a key of another":                {Partition: 2, Batch: good},
		"no key":                          {Partition: 1, Batch: batchOf(7, 1, recordbatch.None, pair{"", "v"})},
		"a value that is big":             {Partition: 1, Batch: batchOf(7, 1, recordbatch.Zstd, pair{keyOf(1, 0), string(make([]byte, wire.RecordBytesMax+1))})},
		"an unchanged key of another":     {Partition: 1, Batch: good, Unchanged: []wire.Unchanged{{Key: []byte(keyOf(2, 0))}}},
		"an unchanged key without a name": {Partition: 1, Batch: good, Unchanged: []wire.Unchanged{{}}},
	} {
		f.Produce(0, 7, []wire.ProduceBatch{p}, 10, func(r []wire.ProduceResult) {
			if r[0].Code != wire.Invalid || r[0].Detail == "" {
				t.Errorf("%s: %+v", name, r[0])
			}
		})
	}
	plain := openBatches(t, Config{Kind: wire.KindPlain})
	plain.Produce(0, 7, []wire.ProduceBatch{{Partition: 1, Batch: good, Unchanged: []wire.Unchanged{{Key: []byte(keyOf(1, 0))}}}}, 10, func(r []wire.ProduceResult) {
		if r[0].Code != wire.Invalid {
			t.Errorf("an unchanged key of a plain topic: %+v", r[0])
		}
	})
	answer := make(chan wire.AppendResult, 1)
	plain.Append(0, 1, 0, []wire.Append{{Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-1"), Partition: partitionOf("s-1"), Events: []wire.Event{{ID: uuid.New()}}}}}}, 1,
		func(r []wire.AppendResult) { answer <- r[0] })
	if r := <-answer; r.Code != wire.Invalid {
		t.Errorf("an append to a plain topic: %+v", r)
	}
	if r := newFixture(t).DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 1, Offset: 1}); r.Code != wire.Invalid {
		t.Errorf("deleting events: %+v", r)
	}
}

// noise is a value that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return string(b)
}

// TestRetentionByBytes: the oldest records go, over all partitions; log, segments and index agree on what is left, also when they are made anew.
func TestRetentionByBytes(t *testing.T) {
	const keep = 4 << 20
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: NewRetentionPolicy(wire.Retention{Bytes: keep})})
	value := noise(8 << 10)
	for i := range int32(1500) { // 12 MiB
		f.mustProduce(7, i%2, i+1, pair{"", fmt.Sprint(i, value)})
		if i%100 == 0 {
			f.turn()
		}
	}
	f.mustProduce(7, 2, 2000, pair{"", "the only record of its partition"})
	f.turn()
	f.turn()
	if f.log.first < 2 || f.start(0) == 0 || f.start(1) == 0 || f.start(2) != 0 {
		t.Fatalf("the log begins at %d, the partitions at %v", f.log.first, f.Status().Starts)
	}
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: 0, Offset: f.start(0) - 1}, nil, nil); r.Code != wire.OffsetRange || r.Start != f.start(0) || r.HighWatermark != 750 {
		t.Errorf("below the start: %v, [%d, %d)", r.Code, r.Start, r.HighWatermark)
	}
	kept, starts := 0, slices.Clone(f.Status().Starts)
	check := func() {
		t.Helper()
		kept = 0
		for p := range int32(2) {
			for i, v := range f.values(p) {
				if want := fmt.Sprint(2*(starts[p]+int64(i))+int64(p), value); v != want {
					t.Fatalf("partition %d offset %d: %.10q, want %.10q", p, starts[p]+int64(i), v, want)
				}
				kept += len(v)
			}
		}
		if kept < keep || kept > keep+2<<20 {
			t.Errorf("%d bytes are kept", kept)
		}
		if got := f.values(2); len(got) != 1 {
			t.Errorf("partition 2: %q", got)
		}
		if r := f.produce(7, 1, 1500, 1, pair{"", fmt.Sprint(1499, value)}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 749 {
			t.Errorf("the last batch again: %+v", r)
		}
	}
	check()
	files, err := filepath.Glob(filepath.Join(f.cfg.Dir, "partition-0", "*"))
	if err != nil || len(files) > (kept/2)/(50<<10)+4 {
		t.Errorf("%d segment files are left of %d bytes: %v", len(files), kept/2, err)
	}
	for _, lost := range []bool{false, true} {
		f.reopen(lost)
		if lost {
			// What was cut is gone: a log that begins at a snapshot has its starts there, or where a later one moved them.
			for p := range starts {
				if f.start(int32(p)) < starts[p] {
					t.Errorf("partition %d begins at %d again, it began at %d", p, f.start(int32(p)), starts[p])
				}
			}
		}
		check()
	}
	if r := f.produce(7, 0, 2001, 1, pair{"", "goes on"}); r.Code != wire.OK {
		t.Errorf("a batch after it all: %+v", r)
	}
}

func TestRetentionByAge(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: NewRetentionPolicy(wire.Retention{AgeMS: 60_000})})
	for i := range int32(10) {
		f.mustProduce(7, 0, i+1, pair{"", fmt.Sprint(i)})
		f.pass(10 * time.Second)
		f.turn()
	}
	if diff := cmp.Diff([]string{"4", "5", "6", "7", "8", "9"}, f.values(0)); diff != "" {
		t.Errorf("100 s after the first record:\n%s", diff)
	}
	f.pass(time.Hour)
	f.turn()
	f.turn()
	if got := f.values(0); len(got) != 0 || f.start(0) != 10 {
		t.Errorf("long after the last record: %q from %d on", got, f.start(0))
	}
	f.reopen(true)
	if r := f.mustProduce(7, 0, 11, pair{"", "10"}); r.BaseOffset != 10 {
		t.Errorf("offsets go on at %d", r.BaseOffset)
	}
	f.pass(-24 * time.Hour)
	f.turn()
	if got := f.values(0); len(got) != 1 {
		t.Errorf("after the clock went back: %q", got)
	}
}

// TestRetentionIsAltered: a shard that runs keeps more, or less, from the moment at which it is told.
func TestRetentionIsAltered(t *testing.T) {
	policy := NewRetentionPolicy(wire.Retention{})
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: policy})
	value := noise(64 << 10)
	n := int32(0)
	produce := func(records int32) {
		for range records {
			n++
			f.mustProduce(7, 0, n, pair{"", value})
			f.turn()
		}
	}
	produce(64) // 4 MiB
	if f.start(0) != 0 {
		t.Fatalf("without a retention the partition begins at %d", f.start(0))
	}
	policy.Set(wire.Retention{Bytes: 2 << 20})
	produce(64)
	kept := int64(n) - f.start(0)
	if kept < 32 || kept > 32+17 { // 2 MiB, and up to a snapshot's distance, 1 MiB, more
		t.Errorf("%d records are kept, want 32 or little more", kept)
	}
	policy.Set(wire.Retention{Bytes: 8 << 20})
	start := f.start(0)
	produce(64)
	if f.start(0) != start {
		t.Errorf("the partition begins at %d, although more is to be kept than from %d on", f.start(0), start)
	}
	policy.Set(wire.Retention{AgeMS: 1000})
	f.turn()
	f.ms.Add(time.Hour.Milliseconds())
	f.turn()
	if f.start(0) != int64(n) {
		t.Errorf("an hour later the partition begins at %d, of %d", f.start(0), n)
	}
}

func TestDeleteBefore(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	for i := range int32(10) {
		f.mustProduce(7, 0, i+1, pair{"", fmt.Sprint(i)})
	}
	del := func(offset int64) wire.DeleteBeforeResponse {
		return f.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: offset})
	}
	if r := del(11); r.Code != wire.OffsetRange || r.HighWatermark != 10 {
		t.Errorf("beyond the end: %+v", r)
	}
	if r := del(6); r.Code != wire.OK || r.Start != 6 {
		t.Errorf("%+v", r)
	}
	if r := del(3); r.Code != wire.OK || r.Start != 6 {
		t.Errorf("backwards: %+v", r)
	}
	for _, lost := range []bool{false, true} {
		if diff := cmp.Diff([]string{"6", "7", "8", "9"}, f.values(0)); diff != "" {
			t.Error(diff)
		}
		f.reopen(lost)
	}
	if r := del(10); r.Code != wire.OK || r.Start != 10 {
		t.Errorf("%+v", r)
	}
	f.turn()
	f.mustProduce(7, 0, 20, pair{"", "10"})
	f.reopen(true)
	if diff := cmp.Diff([]string{"10"}, f.values(0)); diff != "" {
		t.Error(diff)
	}
}

// TestCutComesBack: after a power loss the engine may show messages again that it had removed. The partition does not begin earlier again.
func TestCutComesBack(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: NewRetentionPolicy(wire.Retention{Bytes: 1 << 20})})
	value := noise(64 << 10)
	for i := range int32(100) {
		f.mustProduce(7, 0, i+1, pair{"", fmt.Sprint(i, value)})
		if i%10 == 0 {
			f.turn()
		}
	}
	before := slices.Clone(f.log.messages)
	f.turn()
	f.turn()
	first := f.log.first
	start := f.start(0)
	if first < 2 {
		t.Fatal("nothing was cut")
	}
	for _, back := range []uint64{1, first / 2, first - 1} {
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for seq := back; seq < first; seq++ {
			f.log.messages[seq-1] = before[seq-1]
		}
		f.log.first = back
		f.reopen(false)
		if f.start(0) != start {
			t.Errorf("the partition begins at %d, it began at %d", f.start(0), start)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(f.cfg.Dir, "index")); err != nil {
			t.Fatal(err)
		}
		f.open()
		if f.start(0) < start {
			t.Errorf("the partition begins at %d again, it began at %d", f.start(0), start)
		}
		if got := f.read(0); got[len(got)-1].Offset != 99 {
			t.Errorf("the last offset is %d", got[len(got)-1].Offset)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.log.first = first
		f.open()
	}
}

// keyOf is the i-th key of a partition.
func keyOf(partition int32, i int) string {
	for n := i * 10; ; n++ {
		if k := fmt.Sprintf("key-%d-%d", i, n); partitioner.PartitionBytes([]byte(k), testLayout.Partitions) == partition {
			return k
		}
	}
}

func (f *batches) get(partition int32, key string) (string, bool) {
	f.t.Helper()
	r := f.Get(f.t.Context(), wire.GetRequest{Partition: partition, Key: []byte(key)}, nil)
	if r.Code != wire.OK {
		f.t.Fatalf("getting %q: %v %s", key, r.Code, r.Detail)
	}
	if r.Record == nil {
		return "", false
	}
	k, v, _, _, err := recordbatch.DecodeRecord(r.Record)
	if err != nil || string(k) != key {
		f.t.Fatalf("getting %q: key %q, %v", key, k, err)
	}
	return string(v), true
}

// table replays a partition from its start: what a reader makes of it.
func (f *batches) table(partition int32) map[string]string {
	m := map[string]string{}
	for _, r := range f.read(partition) {
		if r.Value == nil {
			delete(m, string(r.Key))
			continue
		}
		m[string(r.Key)] = string(r.Value)
	}
	return m
}

// TestTable writes and deletes keys at random, cleans, and reopens: get and a reader from the start always agree with a map.
func TestTable(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	want := [3]map[string]string{{}, {}, {}}
	var keys [3][]string
	for p := range keys {
		for i := range 20 {
			keys[p] = append(keys[p], keyOf(int32(p), i))
		}
	}
	number := int32(0)
	check := func() {
		t.Helper()
		for p := range keys {
			if diff := cmp.Diff(want[p], f.table(int32(p))); diff != "" {
				t.Fatalf("partition %d from its start:\n%s", p, diff)
			}
			for _, k := range keys[p] {
				got, ok := f.get(int32(p), k)
				if w, wanted := want[p][k]; got != w || ok != wanted {
					t.Fatalf("key %q is %q %t, want %q %t", k, got, ok, w, wanted)
				}
			}
		}
	}
	for round := range 12 {
		for range 150 {
			p := rand.N(3)
			var records []pair
			for range 1 + rand.N(4) {
				k, v := keys[p][rand.N(20)], noise(rand.N(2000)+1)
				if rand.N(5) == 0 {
					v = tombstone
					delete(want[p], k)
				} else {
					want[p][k] = v
				}
				records = append(records, pair{k, v})
			}
			number++
			f.mustProduce(7, int32(p), number, records...)
		}
		check()
		switch round % 4 {
		case 0, 2:
			if err := f.retention.cleaner.pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := f.retention.release(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			check()
			for p := range keys {
				if n := len(f.read(int32(p))); n != len(want[p]) {
					t.Errorf("partition %d holds %d records for %d keys after it was cleaned", p, n, len(want[p]))
				}
				for _, k := range keys[p] {
					if head, err := f.store.db.Head(int32(p), k); err != nil || want[p][k] == "" && head != 0 {
						t.Errorf("the index remembers the deleted key %q: %d, %v", k, head, err)
					}
				}
			}
		case 1:
			f.reopen(false)
		case 3:
			f.reopen(true)
		}
		check()
	}
	if f.log.first < 2 {
		t.Error("the log was never cut")
	}
}

// TestCleanerYieldsToWriters: a key that is written while the cleaner moves it keeps what was written.
func TestCleanerYieldsToWriters(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	keys := []string{keyOf(0, 0), keyOf(0, 1)}
	f.mustProduce(7, 0, 1, pair{keys[0], "old"}, pair{keys[1], "old"})
	m := movement{cleaner: &f.retention.cleaner, slot: 0}
	for _, r := range f.read(0) {
		if err := m.add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.records) != 2 {
		t.Fatalf("%d live records", len(m.records))
	}
	f.mustProduce(7, 0, 2, pair{keys[0], "new"})
	if err := m.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range keys {
		got[k], _ = f.get(0, k)
	}
	if diff := cmp.Diff(map[string]string{keys[0]: "new", keys[1]: "old"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(got, f.table(0)); diff != "" {
		t.Error(diff)
	}
}

// TestCleanerRunsByItself and lets the log stay within a small multiple of what the table holds.
func TestCleanerRunsByItself(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	k := keyOf(1, 0)
	value := noise(60 << 10)
	for i := range int32(300) { // 18 MiB for one key
		f.mustProduce(7, 1, i+1, pair{k, fmt.Sprint(i, value)})
		f.turn()
		at := f.store.appliedState()
		if held := at.Bytes - heldFrom(&at); held > 6<<20 {
			t.Fatalf("%d bytes are held for one key", held)
		}
	}
	if v, _ := f.get(1, k); v != fmt.Sprint(299, value) {
		t.Errorf("the key holds %.10q", v)
	}
	if got := slices.Collect(maps.Keys(f.table(1))); len(got) != 1 {
		t.Errorf("keys %q", got)
	}
}
