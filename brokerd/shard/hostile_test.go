package shard

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// TestHostileHeaders: what a client encoded by hand must not reach the log, where it would be believed for ever.
func TestHostileHeaders(t *testing.T) {
	f := newFixture(t)
	header := func(key string, value []byte) wire.Event {
		return wire.Event{ID: uuid.New(), HeaderCount: 1, Headers: recordbatch.AppendHeader(nil, key, value)}
	}
	forged := producerHeader{producer: 77, sequence: 1 << 40, count: 1}.appendTo(nil)
	for name, e := range map[string]wire.Event{
		"not headers":       {ID: uuid.New(), HeaderCount: 1, Headers: []byte{0xff, 0xff, 0xff, 0xff}},
		"fewer than said":   {ID: uuid.New(), HeaderCount: 2, Headers: recordbatch.AppendHeader(nil, "a", nil)},
		"more than said":    {ID: uuid.New(), HeaderCount: 0, Headers: recordbatch.AppendHeader(nil, "a", nil)},
		"forged producer":   header(wire.HeaderProducer, forged),
		"broken producer":   header(wire.HeaderProducer, []byte{1}),
		"forged version":    header(wire.HeaderVersion, make([]byte, 8)),
		"forged id":         header(wire.HeaderID, make([]byte, 16)),
		"long command id":   header(wire.HeaderCommandID, make([]byte, 300)),
		"forged command id": header(wire.HeaderCommandID, []byte("pay")),
		"long type":         header(wire.HeaderType, make([]byte, 256)),
		"long tag":          header(wire.HeaderTag, make([]byte, 256)),
		"empty tag":         header(wire.HeaderTag, nil),
		"many tags":         eventOf(uuid.New(), "x", strings.Split(strings.Repeat("t", wire.TermsMax+1), "")...),
	} {
		f.next++
		r := f.send(wire.Append{Sequence: f.next, Writes: []wire.Write{{
			Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Any, Events: []wire.Event{e},
		}}})
		if r.Code != wire.Invalid || r.Detail == "" {
			t.Errorf("%s: answered %v: %q", name, r.Code, r.Detail)
		}
	}
	f.mustAppend("s-0", wire.NoStream, 1)
	f.close()
	if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
		t.Fatal(err)
	}
	f.open(nil)
	f.agree()
}

// TestLargestSequence: a producer that numbers its appends from the end of all numbers is served like any other, by this broker and when its log
// is read again.
func TestLargestSequence(t *testing.T) {
	f := newFixture(t)
	send := func(sequence uint64) wire.AppendResult {
		return f.send(wire.Append{Sequence: sequence, Writes: []wire.Write{{
			Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Any, Events: []wire.Event{{ID: uuid.New()}},
		}}})
	}
	for _, sequence := range []uint64{math.MaxUint64, math.MaxUint64 - 1, 1, math.MaxUint64 - wire.SequencesKept, math.MaxUint64 - wire.SequencesKept + 1} {
		want := wire.OK
		if sequence <= math.MaxUint64-wire.SequencesKept {
			want = wire.Unknown
		}
		if r := send(sequence); r.Code != want {
			t.Errorf("sequence %d: %v %s, want %v", sequence, r.Code, r.Detail, want)
		}
	}
	f.close()
	if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
		t.Fatal(err)
	}
	f.open(nil)
	f.agree()
}

// TestGapStops: a message that the engine has lost is corruption, not something to wait for.
func TestGapStops(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-0", wire.NoStream, 1)
	f.close()
	f.log.lost = 2
	if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
		t.Fatal(err)
	}
	f.open(ErrCorrupt)
	if r := f.append("s-0", 1, 1); r.Code != wire.Corrupt {
		t.Errorf("an append is answered %v", r.Code)
	}
}

// TestClosedShardAnswers: whoever comes late hears at once that nothing was done, and whoever waits is woken.
func TestClosedShardAnswers(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-0", wire.NoStream, 1)
	waiting := make(chan wire.FetchResponse, 1)
	go func() {
		waiting <- f.Fetch(t.Context(), wire.FetchRequest{Partition: partitionOf("s-0"), Offset: 1, MaxBytes: 1, MaxWaitMS: 20_000}, nil, nil)
	}()
	f.close()
	if r := <-waiting; r.Code != wire.NotLeader && (r.Code != wire.OK || len(r.Batches) > 0) {
		t.Errorf("a fetch that waits is answered %v: %s", r.Code, r.Detail)
	}
	if r := f.append("s-0", 1, 1); r.Code != wire.NotLeader {
		t.Errorf("an append is answered %v", r.Code)
	}
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: partitionOf("s-0"), MaxBytes: 1}, nil, nil); r.Code != wire.NotLeader {
		t.Errorf("a fetch is answered %v: %s", r.Code, r.Detail)
	}
	if r := f.Stream(t.Context(), wire.StreamRequest{Partition: partitionOf("s-0"), Stream: []byte("s-0"), Strict: true}, nil); r.Code != wire.NotLeader {
		t.Errorf("a strict read is answered %v: %s", r.Code, r.Detail)
	}
}

// TestEarlierSession: an append that was addressed to a session that is over is not evaluated by the next one.
func TestEarlierSession(t *testing.T) {
	f := newFixture(t)
	w := wire.Append{Sequence: 1, Writes: []wire.Write{{
		Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: []wire.Event{{ID: uuid.New()}},
	}}}
	for session, want := range map[uint64]wire.Code{f.Status().Session + 1: wire.NotLeader, f.Status().Session: wire.OK} {
		answer := make(chan wire.AppendResult, 1)
		f.Append(session, 9, 0, []wire.Append{w}, 10, func(r []wire.AppendResult) { answer <- r[0] })
		if r := <-answer; r.Code != want {
			t.Errorf("session %d: %v, want %v", session, r.Code, want)
		}
	}
}

// TestRefusedBarriers: while the engine refuses, the sequencer tries again with growing pauses, and serves once it may.
func TestRefusedBarriers(t *testing.T) {
	f := newFixture(t)
	f.close()
	synctest.Test(t, func(t *testing.T) {
		log := f.log
		log.refuse = 12
		s, err := Open(t.Context(), Config{Log: log, Dir: f.dir, LogID: f.logID, Layout: testLayout})
		if err != nil {
			t.Fatal(err)
		}
		if log.refuse != 0 || log.sessions > 20 {
			t.Errorf("%d refusals are left after %d sessions", log.refuse, log.sessions)
		}
		if err := s.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// TestStoreFails: when segments cannot be written any more, everything that waits is answered, and the shard says why.
func TestStoreFails(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-0", wire.NoStream, 1)
	_ = f.store.fail(errors.New("no space left on the test's device"))
	for range 3 {
		if r := f.append("s-0", 1, 1); r.Code == wire.OK {
			t.Fatal("an append was answered OK after the store had failed")
		}
	}
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: partitionOf("s-0"), MaxBytes: 1}, nil, nil); r.Code != wire.NotLeader {
		t.Errorf("a fetch is answered %v: %s", r.Code, r.Detail)
	}
	<-f.Stopped()
	if cause := new(CacheError); !errors.As(f.Status().Cause, &cause) || cause.Damaged || !errors.Is(cause, ErrCache) {
		t.Errorf("it stopped because of %v", f.Status().Cause)
	}
	if info := f.ShardInfo("node"); info.State != wire.ShardRebuilding || info.Detail == "" {
		t.Errorf("it is described as %+v", info)
	}
	_ = f.Close(t.Context())
	f.open(nil)
	f.agree()
}

// TestTableOverflow: when more is to be remembered than there is room for, older sequences are forgotten, and never taken for new ones.
func TestTableOverflow(t *testing.T) {
	p := newProducers()
	for id := range uint64(3) {
		for seq := range uint64(10) {
			p.add(id, 1, stored{sequence: seq + 1, timestamp: int64(id)})
		}
	}
	p.total += producerTotal // as if many others were there
	rows, lost := p.changed(3, 1)
	if _, known := p.lookup(0, 10, 1); known != forgotten {
		t.Errorf("the newest sequence of a dropped producer is %v", known)
	}
	if _, known := p.lookup(0, 11, 1); known != neverStored {
		t.Errorf("its next sequence is %v", known)
	}
	restored := newProducers()
	if err := restored.load(func(yield func(uint64, []byte) bool) {
		for id, row := range rows {
			if row != nil && !yield(id, row) {
				return
			}
		}
	}, lost); err != nil {
		t.Fatal(err)
	}
	if _, known := restored.lookup(0, 10, 1); known != forgotten {
		t.Errorf("after a restart it is %v", known)
	}
}
