package shard

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// The scripts of forgetting: each is one way in which something was stored a second time, because nothing was known of the first any more.

// TestForgottenByTime: a batch was stored, nobody heard of it, its session has ended, and more than an hour of the log's time later its producer is
// forgotten. It is not stored again, nor after a restart, with the index and without it.
func TestForgottenByTime(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	f.mustProduce(7, 0, 1, pair{"", "once"})
	since := f.Status().Epoch
	f.reopen(false)
	f.pass(2 * time.Hour)
	f.mustProduce(8, 0, 1, pair{"", "another"})
	if _, err := f.store.cut(t.Context()); err != nil { // brings the index up to date
		t.Fatal(err)
	}
	want := []string{"once", "another"}
	again := func(what string, code wire.Code) {
		t.Helper()
		if r := f.produce(7, 0, 1, since, pair{"", "once"}); r.Code != code || r.Code == wire.OK && !r.Duplicate {
			t.Errorf("%s: %+v, want %v", what, r, code)
		}
		if diff := cmp.Diff(want, f.values(0)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	again("forgotten", wire.Unknown)
	f.reopen(false)
	again("after a restart", wire.Unknown)
	if r := f.produce(11, 0, 1, since, pair{"", "never stored"}); r.Code != wire.Unknown {
		t.Errorf("another producer that is not known: %+v", r)
	}
	// What cannot have been stored is stored, and so is what comes from a producer that was never forgotten.
	epoch := f.Status().Epoch
	for i, b := range []struct {
		producer, since uint64
		number          int32
	}{{8, since, 2}, {9, 0, 1}, {10, epoch, 1}} {
		value := fmt.Sprint("new ", i)
		if r := f.produce(b.producer, 0, b.number, b.since, pair{"", value}); r.Code != wire.OK || r.Duplicate {
			t.Errorf("batch %d of producer %d, sent since epoch %d: %+v", b.number, b.producer, b.since, r)
		}
		want = append(want, value)
	}
	f.reopen(true) // the log is read from its beginning: nothing is forgotten but what a run of the index expires
	again("without the index", wire.OK)
}

// TestLeftOutOfASnapshot: the log was cut at a snapshot that says nothing of an idle producer, and the index is lost; or the log was copied, as by a restore.
func TestLeftOutOfASnapshot(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	f.mustProduce(7, 0, 1, pair{"", "once"})
	since := f.Status().Epoch
	f.pass(2 * time.Hour)
	f.mustProduce(8, 0, 1, pair{"", "in the snapshot"})
	for range 2 {
		f.DeleteBefore(t.Context(), wire.DeleteBeforeRequest{Offset: 2})
		f.turn()
	}
	f.mustProduce(8, 0, 2, pair{"", "behind it"})
	if f.log.first < 2 {
		t.Fatal("the log was not cut")
	}
	if r := f.produce(7, 0, 1, since, pair{"", "once"}); r.Code != wire.Unknown {
		t.Errorf("by the session that wrote the snapshot: %+v", r)
	}
	check := func(what string, f *batches) {
		t.Helper()
		if r := f.produce(7, 0, 1, since, pair{"", "once"}); r.Code != wire.Unknown {
			t.Errorf("%s, the producer that was left out: %+v", what, r)
		}
		if r := f.produce(8, 0, 1, since, pair{"", "in the snapshot"}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 1 {
			t.Errorf("%s, the producer that was not: %+v", what, r)
		}
		if r := f.produce(9, 0, 1, 0, pair{"", "new"}); r.Code != wire.OK {
			t.Errorf("%s, a new producer: %+v", what, r)
		}
		if r := f.produce(7, 0, 2, 0, pair{"", "back"}); r.Code != wire.OK {
			t.Errorf("%s, what the producer that was left out sends now: %+v", what, r)
		}
		if r := f.produce(7, 0, 1, since, pair{"", "once"}); r.Code == wire.OK {
			t.Errorf("%s, the producer that was left out, and came back: %+v", what, r)
		}
		if diff := cmp.Diff([]string{"behind it", "new", "back"}, f.values(0)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	g := &batches{t: t, testClock: f.testClock, cfg: f.cfg}
	g.cfg.Dir, g.cfg.LogID = t.TempDir(), uuid.New()
	g.log = copyLog(t, f.Shard, g.cfg.LogID, testLayout, f.Status().Epoch+1)
	g.cfg.Log = g.log
	g.open()
	check("in a copy", g)
	f.reopen(true)
	check("without the index", f)
}

// TestSnapshotWithoutRoom: a snapshot holds the producers that were in use last, as many as have room, and knows since when others may be missing.
func TestSnapshotWithoutRoom(t *testing.T) {
	c := newBatchCluster(wire.KindPlain)
	c.snapshotBytesMax = snapshotRowOverhead + producerRowHeader + storedSize
	c.restart(0)
	c.elect(0, 0)
	c.flow()
	fresh := func(p *modelProducer) *batchOp {
		p.last++
		return &batchOp{producer: p.id, number: p.last, bytes: batchOf(p.id, p.last, recordbatch.None, pair{"", "v"})}
	}
	for _, p := range c.producers[:2] {
		c.send(p, fresh, 1)
		c.flow()
		c.now = c.now.Add(time.Second)
	}
	c.snapshot(0, slices.Clone(c.nodes[0].core.State().Next))
	c.flow()
	if c.cut(0); c.first == 1 {
		t.Fatal("the log was not cut")
	}
	c.nodes[0].core.Deposed()
	c.elect(1, uint64(len(c.log)))
	c.flow()
	for i, want := range []wire.Code{wire.Unknown, wire.OK} {
		again := *c.ops[i]
		again.done, again.since = false, 1
		c.send(&modelProducer{id: again.producer, again: []*batchOp{&again}}, nil, 0)
		c.flow()
		if again.result.Code != want {
			t.Errorf("the batch of producer %d is answered %+v, want %v", again.producer, again.result, want)
		}
	}
	if err := c.verify(); err == nil || c.problem != nil { // that it does not know of a batch is no fault of a node that may forget
		t.Errorf("%v: nothing was forgotten", err)
	}
	c.forgetful = true
	if err := c.verify(); err != nil {
		t.Error(err)
	}
}

// TestForgottenAppend: an append that names no version was stored in a session before, and is forgotten. It is not stored again, whatever its producer
// did since. One that names versions finds its own events.
func TestForgottenAppend(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	loose := c.append(1, 1, "s-1", wire.Any, "")
	exists := c.append(2, 1, "s-1", wire.StreamExists, "")
	named := c.append(3, 1, "s-2", wire.NoStream, "")
	c.flow()
	n := c.nodes[0]
	n.core.Failed(n.core.session)
	c.mustServe(t, 0)
	c.passHours()
	n.index.run(n.core, n.mem)
	again := func(o *op) *op { // whose client has not heard of it
		o = &op{producer: o.producer, sequence: o.sequence, write: o.write, since: 1}
		c.send(o)
		c.arrive(len(c.requests) - 1)
		c.flow()
		return o
	}
	check := func(what string) {
		t.Helper()
		for _, o := range []*op{loose, exists} {
			if r := again(o); r.done || !r.untold {
				t.Errorf("%s: the append of producer %d that expects %d is answered %+v, want unknown", what, o.producer, o.write.Expected, r.result)
			}
		}
		if r := again(named).result; r.Code != wire.OK || !r.Duplicate || r.Writes[0] != named.result.Writes[0] {
			t.Errorf("%s: the append that names its version is answered %+v, want %+v", what, r, named.result)
		}
		c.mustVerify(t)
	}
	check("forgotten")
	c.append(1, 2, "s-1", wire.Any, "")
	c.flow()
	check("after its producer came back")
	n.index.run(n.core, n.mem)
	c.restartWithIndex(0)
	c.mustServe(t, 0)
	check("after a restart")
	if got := len(c.nodes[0].mem.streams["s-1"]); got != 3 {
		t.Errorf("the stream has %d events, want 3", got)
	}
	fresh := &op{producer: 9, sequence: 1, write: wire.Write{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Any, Events: []wire.Event{{ID: uuid.UUID{9}}}}}
	fresh.since = c.nodes[0].core.State().Epoch // the session that serves
	c.send(fresh)
	c.flow()
	if fresh.result.Code != wire.OK || fresh.result.Duplicate {
		t.Errorf("an append of a new producer, sent to this session before: %+v", fresh.result)
	}
}

// TestOverflowEndsTheSession: when there are more producers than can be remembered, some of this very session are forgotten. Then a request that was sent to
// it must not be evaluated any more: what it asks for may have been stored by its repetition.
func TestOverflowEndsTheSession(t *testing.T) {
	c := newCluster()
	c.producersMax = 2
	c.restart(0)
	c.mustServe(t, 0)
	o := c.append(1, 1, "s-1", wire.Any, "")
	late := c.requests[:0:0]
	late = append(late, inflightRequest{session: c.nodes[0].core.session, op: &op{producer: 1, sequence: 1, write: o.write, epoch: 1, sends: 1}, send: 1})
	c.flow()
	for producer := uint64(2); producer <= 3; producer++ {
		c.now = c.now.Add(time.Second)
		c.append(producer, 1, "s-0", wire.Any, "")
		c.flow()
	}
	n := c.nodes[0]
	n.index.run(n.core, n.mem)
	if epoch := n.core.producers.forgottenIn(); epoch != n.core.State().Epoch {
		t.Fatalf("forgotten up to epoch %d: the script is broken", epoch)
	}
	c.requests = append(c.requests, late...)
	c.flow()
	if n.core.Phase() != Fencing {
		t.Errorf("the session that has forgotten its own is %s", n.core.Phase())
	}
	c.mustServe(t, 0)
	late[0].op.since = 1
	c.send(late[0].op)
	c.flow()
	if r := late[0].op; r.done || !r.untold {
		t.Errorf("in the next session it is answered %+v, want unknown", r.result)
	}
	if got := len(c.nodes[0].mem.streams["s-1"]); got != 1 {
		t.Errorf("the stream has %d events", got)
	}
	if r := c.append(4, 1, "s-2", wire.Any, ""); true {
		if c.flow(); r.result.Code != wire.OK {
			t.Errorf("a new producer: %+v", r.result)
		}
	}
	c.mustVerify(t)
}

// TestReadersRememberTheSame: whoever reads a log knows of its producers what the sequencers knew that wrote it, session by session.
func TestReadersRememberTheSame(t *testing.T) {
	c := newCluster()
	for session := range uint64(3) {
		n := c.nodes[0]
		n.core.Failed(n.core.session)
		c.mustServe(t, 0)
		for producer := range uint64(4) {
			c.now = c.now.Add(time.Second)
			if producer >= session { // some have stored nothing in the newest session
				c.append(producer+1, session+1, "s-1", wire.Any, "")
				c.append(producer+1, session+10, "s-2", wire.Any, "")
			}
		}
		c.flow()
	}
	c.nodes[0].core.Deposed()
	c.mustServe(t, 1)
	mustRememberTheSame(t, c.nodes[0].core, c.nodes[1].core)

	b := newBatchCluster(wire.KindTable)
	for session := range 3 {
		b.nodes[0].core.Failed(b.nodes[0].core.session)
		b.calm()
		for i, p := range b.producers {
			if b.now = b.now.Add(time.Second); i >= session {
				b.send(p, func(p *modelProducer) *batchOp {
					p.last++
					return &batchOp{producer: p.id, number: p.last, bytes: batchOf(p.id, p.last, recordbatch.Snappy, pair{keyOf(0, i), "v"})}
				}, 2)
				b.flow()
			}
		}
	}
	b.nodes[0].core.Deposed()
	b.elect(1, uint64(len(b.log)))
	b.flow()
	mustRememberTheSame(t, b.nodes[0].core, b.nodes[1].core)
}

func mustRememberTheSame(t *testing.T, writer, reader *Core) {
	t.Helper()
	rows := func(c *Core) map[uint64]string {
		rows := map[uint64]string{}
		for id, pr := range c.producers.byID {
			rows[id] = string(pr.encode())
		}
		return rows
	}
	want := rows(writer)
	if diff := cmp.Diff(want, rows(reader)); diff != "" || len(want) < 3 {
		t.Errorf("rows of %d producers (-writer +reader):\n%s", len(want), diff)
	}
	epochs := map[uint64]bool{}
	for _, pr := range reader.producers.byID {
		epochs[pr.epoch] = true
	}
	if len(epochs) != 3 {
		t.Errorf("epochs %v, want those of 3 sessions", epochs)
	}
}

// TestOverflowOfAShard: the next session opens by itself, and serves.
func TestOverflowOfAShard(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain})
	epoch := f.Status().Epoch
	f.store.producers.mu.Lock()
	f.store.producers.max = 2
	f.store.producers.mu.Unlock()
	for producer := range uint64(3) {
		f.mustProduce(producer+1, 0, 1, pair{"", "v"})
	}
	if _, err := f.store.cut(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := f.produce(9, 0, 1, 0, pair{"", "v"})
	for ; r.Code == wire.NotLeader; r = f.produce(9, 0, 1, 0, pair{"", "v"}) {
		runtime.Gosched()
	}
	if now := f.Status().Epoch; r.Code != wire.OK || now != epoch+1 {
		t.Errorf("a new producer in epoch %d: %+v; the session that forgot had epoch %d", now, r, epoch)
	}
}
