package shard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestTailIsBounded: however much waits for the writer, it goes to the index in tails of their size. One that held it all could be too large to take it,
// and would be so again after every start.
func TestTailIsBounded(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	key := keyOf(0, 0)
	for n := range int32(200) {
		f.mustProduce(7, 0, n+1, pair{key, "1"}, pair{key, "2"}, pair{key, "3"}, pair{key, "4"}, pair{key, "5"})
	}
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg := storeConfig{dir: t.TempDir(), logID: f.cfg.LogID, layout: testLayout, headsMax: 10, tailMax: 50, tailBytesMax: 1 << 30, lagBytesMax: 1 << 30, segmentBytes: 1 << 20,
		kind: wire.KindTable, runBytesMax: 1 << 30, logger: f.Shard.cfg.Logger}
	synctest.Test(t, func(t *testing.T) {
		s, state, err := openStore(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.failed = func() {}
		core := NewCore(CoreConfig{Layout: testLayout, Kind: wire.KindTable, LogID: cfg.logID}, state, s.producers, s)
		for i, data := range f.log.messages {
			if err := core.Committed(uint64(i+1), data); err != nil {
				t.Fatal(err)
			}
		}
		s.frozen = index.NewTail() // as if a run were under way that takes long
		go s.write()
		synctest.Wait()
		s.mu.Lock()
		if n := s.tail.Len(); n < cfg.tailMax || n > cfg.tailMax+5 {
			t.Errorf("the tail holds %d entries of at most %d", n, cfg.tailMax)
		}
		s.frozen = nil
		s.wake.Broadcast()
		s.mu.Unlock()
		if st, err := s.reach(t.Context(), 0, 1000); err != nil || st.Next[0] != 1000 {
			t.Errorf("it reaches to %v: %v", st.Next, err)
		}
		if err := s.closeOnce(); err != nil {
			t.Error(err)
		}
	})
}

// TestMovedRecordsAreCopies: what a cleaner collects must not keep alive everything that was read with it.
func TestMovedRecordsAreCopies(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable})
	key := keyOf(0, 0)
	f.mustProduce(7, 0, 1, pair{key, "value"})
	records := f.read(0)
	m := movement{cleaner: &f.retention.cleaner, slot: 0}
	if err := m.add(t.Context(), records[0]); err != nil {
		t.Fatal(err)
	}
	clear(records[0].Value)
	clear(records[0].Key)
	if r := m.records[0]; string(r.Key) != key || string(r.Value) != "value" {
		t.Errorf("the record that is moved is %q: %q", r.Key, r.Value)
	}
}

// TestDeleteBeforeAgain: what is deleted already costs nothing.
func TestDeleteBeforeAgain(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	f.mustProduce(7, 0, 1, pair{"", "a"}, pair{"", "b"})
	for _, offset := range []int64{2, 2, 1, 0} {
		before := len(f.log.messages)
		r := f.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: offset})
		if r.Code != wire.OK || r.Start != 2 || r.HighWatermark != 2 {
			t.Errorf("before %d: %+v", offset, r)
		}
		if grown := len(f.log.messages) - before; before > 2 && grown > 0 {
			t.Errorf("before %d: the log has grown by %d frames", offset, grown)
		}
	}
}

// TestKeysCount: what the keys of a batch take counts against the queue, or a few compressed batches would fill the memory.
func TestKeysCount(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindTable, QueueBytesMax: 10_000, PublishTimeout: 50 * time.Millisecond})
	f.log.silent = 1 // the first is stored and not answered, so that it stays in the queue
	records := slices.Repeat([]pair{{keyOf(0, 0), ""}}, 1000)
	answers := make(chan wire.ProduceResult, 2)
	for n := range int32(2) {
		batch := batchOf(7, n+1, recordbatch.Zstd, records...)
		if len(batch) > 5000 {
			t.Fatalf("%d records take %d bytes: the test proves nothing", len(records), len(batch))
		}
		f.Produce(0, 7, []wire.ProduceBatch{{Partition: 0, Batch: batch}}, len(batch), func(r []wire.ProduceResult) { answers <- r[0] })
	}
	if r := <-answers; r.Code != wire.Overloaded {
		t.Errorf("beyond the queue's bound: %+v", r)
	}
}

// TestProducersAreBounded: producers that come and go are forgotten, the longest idle ones first, and that is noted.
func TestProducersAreBounded(t *testing.T) {
	p := newProducers()
	for id := range uint64(producersMax + 10) {
		p.byID[id] = &producer{newest: 1, used: int64(id), epoch: id / 1000}
	}
	changed, lost := p.changed(producersMax+10, 0)
	rows := maps.Collect(changed)
	if len(p.byID) != producersMax/2 {
		t.Errorf("%d producers are remembered", len(p.byID))
	}
	if p.newest(producersMax+9) == 0 {
		t.Error("the newest one is forgotten")
	}
	if row, said := rows[0]; row != nil || !said || len(rows) != producersMax/2+10 || lost != (producersMax/2+9)/1000 {
		t.Errorf("%d are said to be forgotten, up to epoch %d; the oldest: %t", len(rows), lost, said)
	}
}

// TestRestoredLogBegins: a restored log that begins at a snapshot is the same with and without the barrier before it, for everyone who reads it.
func TestRestoredLogBegins(t *testing.T) {
	from := openBatches(t, Config{Kind: wire.KindPlain})
	for n := range int32(10) {
		from.mustProduce(7, 0, n+1, pair{"", fmt.Sprint(n)})
	}
	from.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: 6})
	from.turn()
	from.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: 10})
	from.turn()
	from.mustProduce(7, 0, 11, pair{"", "10"})
	first, _, _ := from.log.Bounds(t.Context())
	if first < 2 {
		t.Fatal("the log was not cut")
	}
	for _, purged := range []bool{true, false} {
		log := newRAMLog()
		cfg := from.cfg
		cfg.LogID[0]++
		w, err := NewWriter(cfg.LogID, testLayout, 99, func(_ uint64, data []byte) error {
			log.messages = append(log.messages, data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = w.Begin(0)
		reader := NewReader(from.cfg.LogID, testLayout)
		for seq := first; seq <= uint64(len(from.log.messages)); seq++ {
			f, valid, readErr := reader.Next(seq, from.log.messages[seq-1])
			if err = errors.Join(err, readErr); valid {
				cut, writeErr := w.Append(f)
				if err = errors.Join(err, writeErr); cut > 0 && purged {
					log.first = cut
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		f := &batches{t: t, log: log, testClock: from.testClock, cfg: cfg}
		f.cfg.Log, f.cfg.Dir, f.cfg.Clock = log, t.TempDir(), f.now
		f.open()
		if got := f.values(0); len(got) != 1 || got[0] != "10" || f.start(0) != 10 {
			t.Errorf("purged %t: partition 0 holds %q from offset %d", purged, got, f.start(0))
		}
		if r := f.produce(7, 0, 11, 1, pair{"", "10"}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 10 {
			t.Errorf("purged %t: the last batch again: %+v", purged, r)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(t.Context(), VerifyConfig{Log: log.Read(t.Context(), log.first, uint64(len(log.messages))), Dir: f.cfg.Dir, LogID: cfg.LogID, Layout: testLayout, Kind: wire.KindPlain})
		if err != nil || len(v.Damage) > 0 || v.Partitions[0].Records != 1 {
			t.Errorf("purged %t: %+v %v", purged, v, err)
		}
	}
}

// TestCutComesBackToOthers: who verifies or backs up a log does not begin with messages that were cut away and show again.
func TestCutComesBackToOthers(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	for n := range int32(10) {
		f.mustProduce(7, 0, n+1, pair{"", fmt.Sprint(n)})
	}
	before := slices.Clone(f.log.messages)
	f.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: 10})
	f.turn()
	f.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Partition: 0, Offset: 10})
	f.mustProduce(7, 0, 11, pair{"", "10"})
	f.turn()
	first := f.log.first
	if first < 4 {
		t.Fatalf("the log begins at %d", first)
	}
	f.log.mu.Lock()
	copy(f.log.messages, before)
	f.log.first = 3
	f.log.mu.Unlock()
	if r := f.Frames(t.Context(), wire.FramesRequest{MaxBytes: 1 << 20}); r.Code != wire.OK || r.First != first {
		t.Errorf("a backup begins at %d, the log was cut at %d: %v", r.First, first, r.Code)
	}
	if err := f.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	v, err := Verify(t.Context(), VerifyConfig{Log: f.log.Read(t.Context(), 3, uint64(len(f.log.messages))), Dir: f.cfg.Dir, LogID: f.cfg.LogID, Layout: testLayout, Kind: wire.KindPlain})
	if err != nil || len(v.Damage) > 0 || v.Partitions[0].Records != 1 {
		t.Errorf("%+v %v", v, err)
	}
}

// TestLagIsBounded: what waits for the writer is counted with its state and its keys, which may take many times the bytes of the batches.
func TestLagIsBounded(t *testing.T) {
	wide := Committed{State: State{Next: make([]int64, wire.PartitionsMax)}}
	if w := weight(&wide); w < 8*wire.PartitionsMax {
		t.Errorf("a frame of %d partitions counts %d bytes", wire.PartitionsMax, w)
	}
	if w := weight(&Committed{Heads: make([]Head, 1000)}); w < 40*1000 {
		t.Errorf("1000 keys count %d bytes", w)
	}
	if w := weight(&Committed{Frame: Frame{Body: make([]byte, 1<<20)}}); w < 1<<20 {
		t.Errorf("a snapshot of 1 MiB counts %d bytes", w)
	}
}

// TestRetentionComesToAnEnd: records that come faster than snapshots are written do not keep the log from being cut.
func TestRetentionComesToAnEnd(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: NewRetentionPolicy(wire.Retention{AgeMS: 1})})
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ms atomic.Int64
	ms.Store(f.now().UnixMilli())
	f.cfg.Clock = func() time.Time { return time.UnixMilli(ms.Add(10)) }
	f.open()
	f.mustProduce(7, 0, 1, pair{"", "v"})
	over, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := int32(2); over.Err() == nil; n++ {
			f.produce(7, 0, n, 0, pair{"", "v"})
		}
	})
	for range 5 {
		f.turn()
	}
	stop()
	writer.Wait()
	if f.log.first < 2 {
		t.Error("the log was not cut")
	}
}
