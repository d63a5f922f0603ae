package shard

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// copyOf is one node's copy of a log: it may lead it, or be behind.
type copyOf struct {
	*ramLog
	leads, behind atomic.Bool
}

func (c *copyOf) Leader() bool { return c.leads.Load() }

func (c *copyOf) Tail(ctx context.Context, from uint64) iter.Seq2[Message, error] {
	if c.behind.Load() {
		return func(func(Message, error) bool) {}
	}
	return c.ramLog.Tail(ctx, from)
}

// follower opens a shard of a log that another one leads.
func (f *batches) follower(t *testing.T) (*batches, *copyOf) {
	t.Helper()
	other := &copyOf{ramLog: f.log}
	g := &batches{t: t, log: f.log, testClock: f.testClock, cfg: f.cfg}
	g.cfg.Log, g.cfg.Dir = other, t.TempDir()
	g.open()
	return g, other
}

// openReplicated opens the shard that leads.
func openReplicated(t *testing.T, kind string) (*batches, *copyOf) {
	t.Helper()
	f := &batches{t: t, log: newRAMLog(), testClock: &testClock{}}
	f.pass(1_000_000 * time.Millisecond)
	own := &copyOf{ramLog: f.log}
	own.leads.Store(true)
	f.cfg = Config{
		Log: own, Dir: t.TempDir(), LogID: uuid.New(), Layout: testLayout, Kind: kind, Replicated: true, Clock: f.now,
		LeadershipPolling: time.Millisecond, RetentionPolling: time.Hour,
	}
	f.open()
	return f, own
}

// await waits for what a shard's own goroutine brings about.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func (f *batches) kept(partition int32) (values []string) {
	f.t.Helper()
	slot, _ := testLayout.Slot(partition)
	st := f.Status()
	for offset := st.Starts[slot]; offset < st.Next[slot]; {
		r := f.Fetch(f.t.Context(), wire.FetchRequest{Partition: partition, Offset: offset, MaxBytes: 1 << 20}, nil, nil)
		if r.Code != wire.OK {
			f.t.Fatalf("reading offset %d: %v %s", offset, r.Code, r.Detail)
		}
		for rest := r.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				f.t.Fatal(err)
			}
			for rec, err := range batch.Records() {
				if err != nil {
					f.t.Fatal(err)
				}
				if rec.Offset >= offset {
					values = append(values, string(rec.Value))
				}
			}
			offset, rest = max(offset, batch.Info().Next()), after
		}
	}
	return values
}

// TestTakeover lets the leadership go from one node to the other: the second has read what the first wrote, serves in a later epoch, and the first follows it.
func TestTakeover(t *testing.T) {
	f, own := openReplicated(t, wire.KindPlain)
	f.mustProduce(7, 1, 1, pair{"k", "a"})
	g, other := f.follower(t)
	if st := g.Status(); st.Phase != Follow {
		t.Fatalf("the second node is %v", st.Phase)
	}
	f.mustProduce(7, 1, 2, pair{"k", "b"})
	slot, _ := testLayout.Slot(1)
	await(t, "the second node follows", func() bool { return g.Status().Next[slot] == 2 })
	if r := g.produce(7, 1, 3, 0, pair{"k", "c"}); r.Code != wire.NotLeader {
		t.Errorf("a batch for the node that follows: %+v", r)
	}

	own.leads.Store(false)
	other.leads.Store(true)
	await(t, "the second node serves", func() bool { return g.Status().Phase == Serving })
	if first, second := f.Status().Epoch, g.Status().Epoch; second < 2 || first > second {
		t.Errorf("epochs %d and %d", first, second)
	}
	// What the first session stored is known to the second.
	if r := g.produce(7, 1, 2, 1, pair{"k", "b"}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 1 {
		t.Errorf("a batch that the first node has stored: %+v", r)
	}
	g.mustProduce(7, 1, 3, pair{"k", "c"})
	await(t, "the first node follows", func() bool { return f.Status().Phase == Follow && f.Status().Next[slot] == 3 })
	for name, node := range map[string]*batches{"first": f, "second": g} {
		if got := fmt.Sprint(node.kept(1)); got != "[a b c]" {
			t.Errorf("the %s node has %s", name, got)
		}
	}
}

// TestHandOver gives the leadership away under load: every batch is answered for good, and none is in doubt.
func TestHandOver(t *testing.T) {
	f, own := openReplicated(t, wire.KindPlain)
	g, other := f.follower(t)
	stop := errors.New("it cannot be handed over")
	if err := f.HandOver(t.Context(), func(context.Context) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("a hand-over that fails: %v", err)
	}
	await(t, "the node serves on", func() bool { return f.produce(9, 1, 1, 0, pair{"k", "again"}).Code == wire.OK })
	answers := make(chan wire.Code, 64)
	for i := range int32(64) {
		batch := batchOf(uint64(100+i), 1, recordbatch.None, pair{"k", "v"})
		f.Produce(0, uint64(100+i), []wire.ProduceBatch{{Partition: 1, Batch: batch}}, len(batch), func(r []wire.ProduceResult) { answers <- r[0].Code })
	}
	err := f.HandOver(t.Context(), func(context.Context) error {
		own.leads.Store(false)
		other.leads.Store(true)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := int64(1)
	for range 64 {
		switch code := <-answers; code {
		case wire.OK:
			stored++
		case wire.NotLeader:
		default:
			t.Errorf("a batch was answered %v", code)
		}
	}
	slot, _ := testLayout.Slot(1)
	await(t, "the second node serves", func() bool { return g.Status().Phase == Serving })
	if next := g.Status().Next[slot]; next != stored {
		t.Errorf("the log ends at %d, of which %d were said to be stored", next, stored)
	}
	if err := f.HandOver(t.Context(), func(context.Context) error { return nil }); !errors.Is(err, errNotServing) {
		t.Errorf("a node that does not lead: %v", err)
	}
}

// TestFollowerBehindTheCut has the log cut where a follower has not read it: its caches are given up, and begin anew at the cut.
func TestFollowerBehindTheCut(t *testing.T) {
	f, _ := openReplicated(t, wire.KindPlain)
	f.mustProduce(7, 1, 1, pair{"k", "a"})
	g, other := f.follower(t)
	other.behind.Store(true)
	f.mustProduce(7, 1, 2, pair{"k", "b"})
	slot, _ := testLayout.Slot(1)
	starts := make([]int64, testLayout.Len())
	starts[slot] = 2
	for range 2 { // the first notes where the log ends, the second moves the start there
		if err := f.snapshot(t.Context(), starts); err != nil {
			t.Fatal(err)
		}
	}
	f.turn()
	f.mustProduce(7, 1, 3, pair{"k", "c"})
	if first, _, _ := f.log.Bounds(t.Context()); first <= 1 {
		t.Fatal("the log was not cut")
	}
	other.behind.Store(false)
	<-g.Stopped()
	if cause := g.Status().Cause; !errors.Is(cause, ErrCache) || !errors.Is(cause, ErrBehind) {
		t.Fatalf("a follower that the log was cut before: %v", cause)
	}
	g.reopen(false)
	await(t, "it follows again", func() bool { return g.Status().Next[slot] == 3 })
	if got := fmt.Sprint(g.kept(1)); got != "[c]" {
		t.Errorf("it has %s", got)
	}
}

// formerLeader is a log whose end is told by a leader that was deposed while it was cut off, and does not know it yet.
type formerLeader struct {
	Log
	mu      sync.Mutex
	answers int // so many are its, -1: all
}

func (l *formerLeader) Bounds(ctx context.Context) (first, last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, last, err = l.Log.Bounds(ctx)
	if l.answers != 0 {
		l.answers--
		last--
	}
	return first, last, err
}

// TestEndOfAFormerLeader: with other copies of the log, its loss is proved by an end that stays too short, not by an answer.
func TestEndOfAFormerLeader(t *testing.T) {
	for name, test := range map[string]struct {
		answers int
		after   time.Duration
		want    error
	}{
		"it passes": {answers: 3},
		"it stays":  {answers: -1, after: 50 * time.Millisecond, want: ErrDiverged},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.mustAppend("s-0", wire.NoStream, 1)
			f.mustAppend("s-0", 1, 1)
			f.close()
			log := &formerLeader{Log: f.log, answers: test.answers}
			s, err := Open(t.Context(), Config{Log: log, Dir: f.dir, LogID: f.logID, Layout: testLayout, Replicated: true, DivergedAfter: test.after})
			if !errors.Is(err, test.want) {
				t.Fatalf("opening: %v, want %v", err, test.want)
			}
			t.Cleanup(func() { _ = s.Close(context.WithoutCancel(t.Context())) })
			f.Shard = s
			if test.want == nil {
				f.mustAppend("s-0", 2, 1)
			} else if r := f.append("s-0", 2, 1); r.Code != wire.LogDiverged {
				t.Errorf("an append is answered %v", r.Code)
			}
		})
	}
}
