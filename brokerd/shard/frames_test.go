package shard

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// copyLog reads the log of a shard as a backup does, and writes it under another UUID as a restore does.
func copyLog(t *testing.T, from *Shard, logID uuid.UUID, layout Layout, epoch uint64) *ramLog {
	t.Helper()
	to := newRAMLog()
	w, err := NewWriter(logID, layout, epoch, func(seq uint64, data []byte) error {
		if seq != uint64(len(to.messages))+1 {
			return fmt.Errorf("sequence %d follows %d", seq, len(to.messages))
		}
		to.messages = append(to.messages, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Begin(0); err != nil {
		t.Fatal(err)
	}
	r := NewReader(from.cfg.LogID, layout)
	for next := uint64(0); ; {
		part := from.Frames(t.Context(), wire.FramesRequest{From: next, MaxBytes: 10_000})
		if part.Code != wire.OK || len(part.Messages) == 0 {
			t.Fatalf("frames from %d: %v %s", next, part.Code, part.Detail)
		}
		next = part.First
		for _, data := range part.Messages {
			f, valid, err := r.Next(next, data)
			if err != nil {
				t.Fatal(err)
			}
			next++
			if !valid {
				continue
			}
			cut, err := w.Append(f)
			if err != nil {
				t.Fatal(err)
			}
			if cut > 0 {
				if err := to.Cut(t.Context(), cut); err != nil {
					t.Fatal(err)
				}
			}
		}
		if next > part.Last {
			return to
		}
	}
}

// TestCopiedLog: a log under another UUID holds what the first one held, versions, command ids and producers too.
func TestCopiedLog(t *testing.T) {
	f := newFixture(t)
	f.fill()
	want := f.agree()
	epoch := f.Status().Epoch
	g := &fixture{t: t, dir: t.TempDir(), logID: uuid.New(), next: f.next}
	g.log = copyLog(t, f.Shard, g.logID, testLayout, epoch+1)
	g.open(nil)
	if diff := cmp.Diff(want, g.agree()); diff != "" {
		t.Error(diff)
	}
	if got := g.Status().Epoch; got <= epoch {
		t.Errorf("epoch %d follows %d", got, epoch)
	}
	if r := g.append("s-0", 79, 1); r.Code != wire.Conflict || r.Actual != 80 {
		t.Errorf("a conflict: %+v", r)
	}
	g.mustAppend("s-0", 80, 1)
	g.close()
	g.logID = f.logID
	if err := func() error {
		s, err := Open(t.Context(), Config{Log: g.log, Dir: t.TempDir(), LogID: f.logID, Layout: testLayout})
		if s != nil {
			defer s.Close(t.Context())
		}
		if err == nil && s.Status().Next[0] != 0 {
			return errors.New("records of another log")
		}
		return nil
	}(); err != nil {
		t.Error(err)
	}
}

// TestCopyOfALogThatWasCut: what retention has taken away is not in the copy, and what is left stands at its offsets.
func TestCopyOfALogThatWasCut(t *testing.T) {
	f := openBatches(t, Config{Kind: wire.KindPlain, Retention: NewRetentionPolicy(wire.Retention{Bytes: 1 << 20})})
	value := noise(8 << 10)
	for i := range int32(600) {
		f.mustProduce(7, i%2, i+1, pair{"", fmt.Sprint(i, value)})
		if i%50 == 0 {
			f.turn()
		}
	}
	f.turn()
	f.turn()
	if f.log.first < 2 || f.start(0) == 0 {
		t.Fatalf("the log begins at %d, the partitions at %v: it was not cut", f.log.first, f.Status().Starts)
	}
	g := &batches{t: t, testClock: f.testClock, cfg: f.cfg}
	g.cfg.Dir, g.cfg.LogID = t.TempDir(), uuid.New()
	g.log = copyLog(t, f.Shard, g.cfg.LogID, testLayout, f.Status().Epoch+1)
	g.cfg.Log = g.log
	g.open()
	if diff := cmp.Diff(f.Status().Starts, g.Status().Starts); diff != "" {
		t.Errorf("starts (-log +copy):\n%s", diff)
	}
	for p := range int32(2) {
		if diff := cmp.Diff(f.values(p), g.values(p)); diff != "" {
			t.Errorf("partition %d (-log +copy):\n%s", p, diff)
		}
	}
	if r := g.produce(7, 1, 600, 1, pair{"", fmt.Sprint(599, value)}); r.Code != wire.OK || !r.Duplicate || r.BaseOffset != 299 {
		t.Errorf("the last batch again: %+v", r)
	}
	if r := g.produce(7, 1, 601, 0, pair{"", "new"}); r.Code != wire.OK || r.BaseOffset != 300 {
		t.Errorf("a new batch: %+v", r)
	}
}
