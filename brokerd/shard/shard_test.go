package shard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ramLog is an engine stream in RAM that can be told to misbehave.
type ramLog struct {
	mu       sync.Mutex
	messages [][]byte
	first    uint64 // sequence of the first message that was not cut away
	leader   bool
	refuse   int    // so many publishes are answered with an error
	store    bool   // although they are stored
	silent   int    // so many publishes are stored and not answered
	lost     uint64 // a sequence that cannot be read any more
	sessions int
}

func newRAMLog() *ramLog { return &ramLog{leader: true, first: 1} }

func (l *ramLog) Leader() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leader
}

func (l *ramLog) Bounds(context.Context) (first, last uint64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, uint64(len(l.messages)), nil
}

func (l *ramLog) Cut(_ context.Context, before uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; l.first < before; l.first++ {
		l.messages[l.first-1] = nil
	}
	return nil
}

func (l *ramLog) Read(_ context.Context, from, to uint64) iter.Seq2[Message, error] {
	l.mu.Lock()
	messages := slices.Clone(l.messages)
	l.mu.Unlock()
	return func(yield func(Message, error) bool) {
		for seq := from; seq <= to; seq++ {
			if seq == l.lost {
				yield(Message{}, &CorruptError{Seq: seq, Reason: errors.New("lost by the test")})
				return
			}
			if !yield(Message{Seq: seq, Data: messages[seq-1]}, nil) {
				return
			}
		}
	}
}

func (l *ramLog) Tail(ctx context.Context, from uint64) iter.Seq2[Message, error] {
	l.mu.Lock()
	last, first := uint64(len(l.messages)), l.first
	l.mu.Unlock()
	if from < first {
		return func(yield func(Message, error) bool) { yield(Message{}, ErrBehind) }
	}
	return l.Read(ctx, from, last)
}

func (l *ramLog) Session(_ uint64, acks func(Ack)) (Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sessions++
	return &ramSession{log: l, acks: acks}, nil
}

type ramSession struct {
	log  *ramLog
	acks func(Ack)
}

func (s *ramSession) Publish(seq uint64, data []byte) error {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	refused := l.refuse > 0
	if refused {
		l.refuse--
	}
	if refused && !l.store {
		s.acks(Ack{Intended: seq, Err: errors.New("refused by the test")})
		return nil
	}
	if uint64(len(l.messages)) != seq-1 {
		s.acks(Ack{Intended: seq, Err: errors.New("wrong last sequence")})
		return nil
	}
	l.messages = append(l.messages, slices.Clone(data))
	switch {
	case refused:
		s.acks(Ack{Intended: seq, Err: errors.New("refused by the test, and stored")})
	case l.silent > 0:
		l.silent--
	default:
		s.acks(Ack{Intended: seq, Seq: seq})
	}
	return nil
}

func (s *ramSession) Close() error { return nil }

// node is a shard over a log and a directory that outlive it.
type fixture struct {
	t     *testing.T
	log   *ramLog
	dir   string
	logID uuid.UUID
	next  uint64 // sequence of the test's producer
	*Shard
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, log: newRAMLog(), dir: t.TempDir(), logID: uuid.New()}
	f.open(nil)
	return f
}

// open opens the shard; want is the error that Open must answer, nil for none.
func (f *fixture) open(want error) {
	f.t.Helper()
	s, err := Open(f.t.Context(), Config{
		Log: f.log, Dir: f.dir, LogID: f.logID, Layout: testLayout, TailMax: 50, SegmentBytesMax: 4 << 10, PublishTimeout: 300e6,
	})
	if !errors.Is(err, want) {
		f.t.Fatalf("opening: %v, want %v", err, want)
	}
	if s == nil {
		f.t.Fatal("no shard")
	}
	f.Shard = s
	f.t.Cleanup(func() { _ = s.Close(context.WithoutCancel(f.t.Context())) })
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Close(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// append adds n events to a stream.
func (f *fixture) append(stream string, expected wire.Expected, n int) wire.AppendResult {
	f.t.Helper()
	f.next++
	w := wire.Write{Stream: []byte(stream), Partition: partitionOf(stream), Expected: expected}
	for range n {
		w.Events = append(w.Events, wire.Event{ID: uuid.New(), Value: fmt.Appendf(nil, "%s after %d", stream, expected)})
	}
	return f.send(wire.Append{Sequence: f.next, Writes: []wire.Write{w}})
}

func (f *fixture) send(a wire.Append) wire.AppendResult {
	answer := make(chan wire.AppendResult, 1)
	f.Append(0, 1, 0, []wire.Append{a}, 100, func(r []wire.AppendResult) { answer <- r[0] })
	return <-answer
}

func (f *fixture) mustAppend(stream string, expected wire.Expected, n int) {
	f.t.Helper()
	if r := f.append(stream, expected, n); r.Code != wire.OK {
		f.t.Fatalf("appending to %q: %v: %s", stream, r.Code, r.Detail)
	}
}

// stream reads the ids of a stream through the index.
func (f *fixture) stream(name string) []uuid.UUID {
	f.t.Helper()
	var ids []uuid.UUID
	for from := int64(1); ; {
		r := f.Stream(f.t.Context(), wire.StreamRequest{Partition: partitionOf(name), Stream: []byte(name), From: from, MaxBytes: 500}, nil)
		if r.Code != wire.OK {
			f.t.Fatalf("reading %q: %v: %s", name, r.Code, r.Detail)
		}
		for _, rec := range r.Records {
			key, _, h, _, err := recordbatch.DecodeRecord(rec.Raw)
			if err != nil || string(key) != name || rec.Version != from {
				f.t.Fatalf("reading %q: version %d, key %q, error %v, want version %d", name, rec.Version, key, err, from)
			}
			id, _ := h.Get(wire.HeaderID)
			ids = append(ids, uuid.UUID(id))
			from++
		}
		if from > r.Head {
			return ids
		}
	}
}

// all reads every partition by fetch: ids by stream.
func (f *fixture) all() map[string][]uuid.UUID {
	f.t.Helper()
	all := map[string][]uuid.UUID{}
	for p := range int32(testLayout.Partitions) {
		for next := int64(0); ; {
			r := f.Fetch(f.t.Context(), wire.FetchRequest{Partition: p, Offset: next, MaxBytes: 700}, nil, nil)
			if r.Code != wire.OK {
				f.t.Fatalf("fetching partition %d at %d: %v: %s", p, next, r.Code, r.Detail)
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
					id, _ := rec.Headers.Get(wire.HeaderID)
					all[string(rec.Key)] = append(all[string(rec.Key)], uuid.UUID(id))
					next = rec.Offset + 1
				}
			}
			if next >= r.HighWatermark {
				break
			}
		}
	}
	return all
}

// agree checks that log and index say the same, and returns it.
func (f *fixture) agree() map[string][]uuid.UUID {
	f.t.Helper()
	all := f.all()
	for name, want := range all {
		if diff := cmp.Diff(want, f.stream(name)); diff != "" {
			f.t.Errorf("stream %q (-log +index):\n%s", name, diff)
		}
	}
	return all
}

// fill appends to some streams, enough for several index runs and segment files.
func (f *fixture) fill() {
	f.t.Helper()
	for i := range 40 {
		for s := range 5 {
			f.mustAppend(fmt.Sprintf("s-%d", s), wire.Expected(2*i), 2)
		}
	}
}

func TestReopen(t *testing.T) {
	f := newFixture(t)
	f.fill()
	want := f.agree()
	if len(want) != 5 || len(want["s-0"]) != 80 {
		t.Fatalf("%d streams, %d events in the first", len(want), len(want["s-0"]))
	}
	f.close()
	f.open(nil)
	if diff := cmp.Diff(want, f.agree()); diff != "" {
		t.Error(diff)
	}
	if r := f.append("s-0", 79, 1); r.Code != wire.Conflict || r.Actual != 80 {
		t.Errorf("after the restart: %+v", r)
	}
	f.mustAppend("s-0", 80, 1)
}

// TestRebuild damages or removes what is only a cache, in every way: the log makes it whole.
func TestRebuild(t *testing.T) {
	files := func(f *fixture, pattern string) []string {
		found, err := filepath.Glob(filepath.Join(f.dir, pattern))
		if err != nil || len(found) == 0 {
			f.t.Fatalf("no files %q: %v", pattern, err)
		}
		return found
	}
	for name, damage := range map[string]func(f *fixture) error{
		"no index":         func(f *fixture) error { return os.RemoveAll(filepath.Join(f.dir, "index")) },
		"no segments":      func(f *fixture) error { return os.RemoveAll(filepath.Dir(files(f, "partition-*/*")[0])) },
		"no first file":    func(f *fixture) error { return os.Remove(files(f, "partition-*/*")[0]) },
		"short segment":    func(f *fixture) error { all := files(f, "partition-*/*"); return os.Truncate(all[len(all)-1], 10) },
		"damaged manifest": func(f *fixture) error { return flip(files(f, "index/MANIFEST*")...) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.fill()
			want := f.agree()
			f.close()
			if err := damage(f); err != nil {
				t.Fatal(err)
			}
			f.open(nil)
			if diff := cmp.Diff(want, f.agree()); diff != "" {
				t.Error(diff)
			}
			f.mustAppend("s-0", 80, 1)
		})
	}
}

// TestDamageMetByReads: damage that only a read can meet ends the shard, never answers with wrong events, and is gone once it was opened again.
func TestDamageMetByReads(t *testing.T) {
	for _, pattern := range []string{"index/*.sst", "partition-*/*"} {
		t.Run(pattern, func(t *testing.T) {
			f := newFixture(t)
			f.fill()
			for i := range 1000 { // so that a table has blocks that nobody looks into before
				f.mustAppend(fmt.Sprintf("another-stream-of-many-%d", i), wire.NoStream, 2)
			}
			want := f.agree()
			met := 0
			for round := 0; met == 0; round++ { // a compaction may have read the files before they were damaged
				if round == 20 {
					t.Fatal("no read met the damage: the test proves nothing")
				}
				if err := f.Close(t.Context()); err != nil && !errors.Is(err, ErrCache) { // what is written last may meet the damage of the round before
					t.Fatal(err)
				}
				f.open(nil)
				found, err := filepath.Glob(filepath.Join(f.dir, pattern))
				if err != nil {
					t.Fatal(err)
				}
				// There may be none: Open met the damage, and has begun anew. Or a compaction takes one away.
				if err := flip(found...); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				for name, ids := range want {
					r := f.Stream(t.Context(), wire.StreamRequest{Partition: partitionOf(name), Stream: []byte(name), From: 1, MaxBytes: 1 << 20}, nil)
					switch {
					case r.Code == wire.OK && len(r.Records) == len(ids): // pages that were cached, or untouched bytes
					case r.Code == wire.OK:
						t.Errorf("stream %q: %d of %d events without an error", name, len(r.Records), len(ids))
					default:
						met++
					}
				}
			}
			<-f.Stopped()
			if cause := new(CacheError); !errors.As(f.Status().Cause, &cause) || !cause.Damaged {
				t.Errorf("it stopped because of %v", f.Status().Cause)
			}
			_ = f.Close(t.Context()) // a damaged index cannot be written either
			f.open(nil)
			if diff := cmp.Diff(want, f.agree()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// flip changes some bytes of files.
func flip(paths ...string) error {
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for at := len(data) / 2; at > 0; at /= 2 {
			data[at] ^= 0x10
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TestLostAcknowledgedFrames: the log ends before what was acknowledged, with the index ahead of it and without an index. Nothing is served.
func TestLostAcknowledgedFrames(t *testing.T) {
	for name, noIndex := range map[string]bool{"index ahead": false, "mark alone": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.mustAppend("s-0", wire.NoStream, 1)
			f.mustAppend("s-0", 1, 1)
			f.close()
			f.log.messages = f.log.messages[:len(f.log.messages)-1]
			if noIndex {
				if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
					t.Fatal(err)
				}
			}
			f.open(ErrDiverged)
			if r := f.append("s-0", 1, 1); r.Code != wire.LogDiverged {
				t.Errorf("an append is answered %v", r.Code)
			}
			if r := f.Fetch(t.Context(), wire.FetchRequest{}, nil, nil); r.Code != wire.LogDiverged {
				t.Errorf("a fetch is answered %v", r.Code)
			}
			if info := f.ShardInfo("n"); info.State != "diverged" || info.Detail == "" {
				t.Errorf("metadata says %q: %s", info.State, info.Detail)
			}
		})
	}
}

// TestOtherLog: the log has the right length and another content.
func TestOtherLog(t *testing.T) {
	f, other := newFixture(t), newFixture(t)
	other.logID = f.logID
	f.mustAppend("s-0", wire.NoStream, 1)
	other.mustAppend("s-1", wire.NoStream, 1)
	f.close()
	f.log.messages = other.log.messages
	f.open(ErrDiverged)
}

func TestCorruptLogStops(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-0", wire.NoStream, 1)
	f.mustAppend("s-0", 1, 1)
	f.close()
	f.log.messages[1][70] ^= 1
	if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
		t.Fatal(err)
	}
	f.open(ErrCorrupt)
	if r := f.Stream(t.Context(), wire.StreamRequest{Stream: []byte("s-0"), Partition: partitionOf("s-0"), MaxBytes: 100}, nil); r.Code != wire.Corrupt {
		t.Errorf("a read is answered %v", r.Code)
	}
}

// TestPublishFails: the engine refuses, refuses and stores all the same, or does not answer. The append is answered by what the log holds.
func TestPublishFails(t *testing.T) {
	for name, tc := range map[string]struct {
		fault func(l *ramLog)
		want  wire.Code
	}{
		"refused":            {func(l *ramLog) { l.refuse = 1 }, wire.Retry},
		"refused and stored": {func(l *ramLog) { l.refuse, l.store = 1, true }, wire.OK},
		"no answer":          {func(l *ramLog) { l.silent = 1 }, wire.OK},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.mustAppend("s-0", wire.NoStream, 1)
			epoch := f.Status().Epoch
			f.log.mu.Lock()
			tc.fault(f.log)
			f.log.mu.Unlock()
			r := f.append("s-0", 1, 1)
			if r.Code != tc.want {
				t.Fatalf("answered %v: %s, want %v", r.Code, r.Detail, tc.want)
			}
			want := 1
			if r.Code == wire.OK {
				want = 2
			}
			if n := len(f.stream("s-0")); n != want {
				t.Errorf("the stream has %d events, want %d", n, want)
			}
			for f.append("s-1", wire.Any, 1).Code != wire.OK { // the answer may come before the barrier's
				runtime.Gosched()
			}
			if now := f.Status().Epoch; now <= epoch {
				t.Errorf("the epoch is %d as before: the sequencer has not fenced", now)
			}
		})
	}
}

// TestStrictReadConfirms: a strict read costs a commit of its own, any other none.
func TestStrictReadConfirms(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-0", wire.NoStream, 1)
	last := func() uint64 { _, n, _ := f.log.Bounds(t.Context()); return n }
	before := last()
	for _, strict := range []bool{false, true} {
		r := f.Stream(t.Context(), wire.StreamRequest{Stream: []byte("s-0"), Partition: partitionOf("s-0"), MaxBytes: 100, Strict: strict}, nil)
		if r.Code != wire.OK || len(r.Records) != 1 {
			t.Fatalf("strict %t: %+v", strict, r)
		}
		if grew := last() > before; grew != strict {
			t.Errorf("strict %t: the log grew: %t", strict, grew)
		}
	}
}

// TestFetchWaits: a fetch at the end waits for the next record, for no longer than it was told.
func TestFetchWaits(t *testing.T) {
	f := newFixture(t)
	p := partitionOf("s-0")
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: p, MaxBytes: 100, MaxWaitMS: 1}, nil, nil); r.Code != wire.OK || len(r.Batches) != 0 {
		t.Fatalf("at the end: %+v", r)
	}
	answer := make(chan wire.FetchResponse, 1)
	go func() {
		answer <- f.Fetch(t.Context(), wire.FetchRequest{Partition: p, MaxBytes: 100, MaxWaitMS: 60_000}, nil, nil)
	}()
	f.mustAppend("s-0", wire.NoStream, 1)
	if r := <-answer; r.HighWatermark != 1 || len(r.Batches) == 0 {
		t.Errorf("after the append: %+v", r)
	}
	for _, offset := range []int64{-1, 2} {
		if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: p, Offset: offset}, nil, nil); r.Code != wire.OffsetRange {
			t.Errorf("offset %d: %v", offset, r.Code)
		}
	}
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: p, MinOffset: 5}, nil, nil); r.Code != wire.Stale {
		t.Errorf("what this node has not reached: %v", r.Code)
	}
	if r := f.Fetch(t.Context(), wire.FetchRequest{Partition: p, MinEpoch: 500}, nil, nil); r.Code != wire.Stale {
		t.Errorf("an epoch of the future: %v", r.Code)
	}
}

// TestManyWriters: every version of a contended stream is won once, and a full queue refuses.
func TestManyWriters(t *testing.T) {
	f := newFixture(t)
	var mu sync.Mutex
	won := map[int64]int{}
	var group sync.WaitGroup
	for w := range 16 {
		group.Go(func() {
			version := int64(0)
			for i := range 25 {
				r := f.sendAs(uint64(100+w), uint64(i+1), wire.Expected(version))
				switch r.Code {
				case wire.OK:
					version = r.Writes[0].FirstVersion
					mu.Lock()
					won[version]++
					mu.Unlock()
				case wire.Conflict:
					version = r.Actual
				default:
					t.Errorf("answered %v: %s", r.Code, r.Detail)
				}
			}
		})
	}
	group.Wait()
	if n := len(f.agree()["s-0"]); n != len(won) || n < 25 {
		t.Errorf("%d events stored, %d versions won", n, len(won))
	}
	for v, n := range won {
		if n != 1 {
			t.Errorf("version %d was won %d times", v, n)
		}
	}
}

func (f *fixture) sendAs(producer, sequence uint64, expected wire.Expected) wire.AppendResult {
	answer := make(chan wire.AppendResult, 1)
	f.Append(0, producer, 0, []wire.Append{{Sequence: sequence, Writes: []wire.Write{{
		Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: expected, Events: []wire.Event{{ID: uuid.New()}},
	}}}}, 100, func(r []wire.AppendResult) { answer <- r[0] })
	return <-answer
}

func TestInvalidAppends(t *testing.T) {
	f := newFixture(t)
	event := []wire.Event{{ID: uuid.New()}}
	for name, a := range map[string]wire.Append{
		"no events":           {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0")}}},
		"no name":             {Sequence: 1, Writes: []wire.Write{{Events: event}}},
		"long name":           {Sequence: 1, Writes: []wire.Write{{Stream: make([]byte, 256), Events: event}}},
		"no such partition":   {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: 77, Events: event}}},
		"wrong partition":     {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: (partitionOf("s-0") + 1) % 3, Events: event}}},
		"no sequence":         {Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}}},
		"since the future":    {Sequence: 1, Since: 2, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}}},
		"bad expectation":     {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: -3, Events: event}}},
		"no writes":           {Sequence: 1, Conditions: []wire.Condition{{}}},
		"condition elsewhere": {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}}, Conditions: []wire.Condition{{Partition: 77}}},
		"condition before 0":  {Sequence: 1, Writes: []wire.Write{{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}}, Conditions: []wire.Condition{{After: -1}}},
		"stream twice": {Sequence: 1, Writes: []wire.Write{
			{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}, {Stream: []byte("s-0"), Partition: partitionOf("s-0"), Events: event}}},
	} {
		if r := f.send(a); r.Code != wire.Invalid || r.Detail == "" {
			t.Errorf("%s: answered %v: %q", name, r.Code, r.Detail)
		}
	}
	if _, n, _ := f.log.Bounds(t.Context()); n != 1 {
		t.Errorf("the log holds %d messages beyond the barrier", n-1)
	}
}

// TestAllOrNothing: an append over several streams is stored whole or not at all.
func TestAllOrNothing(t *testing.T) {
	f := newFixture(t)
	f.mustAppend("s-1", wire.NoStream, 1)
	both := func(sequence uint64, second wire.Expected) wire.AppendResult {
		write := func(stream string, e wire.Expected) wire.Write {
			return wire.Write{Stream: []byte(stream), Partition: partitionOf(stream), Expected: e, Events: []wire.Event{{ID: uuid.New()}}}
		}
		return f.send(wire.Append{Sequence: sequence, Writes: []wire.Write{write("s-0", 0), write("s-1", second)}})
	}
	if r := both(10, 0); r.Code != wire.Conflict || r.Write != 1 || r.Actual != 1 {
		t.Errorf("with a conflict in the second write: %+v", r)
	}
	if n := len(f.stream("s-0")); n != 0 {
		t.Errorf("the first write of a refused append stored %d events", n)
	}
	if r := both(11, 1); r.Code != wire.OK || len(r.Writes) != 2 {
		t.Errorf("without a conflict: %+v", r)
	}
	if all := f.agree(); len(all["s-0"]) != 1 || len(all["s-1"]) != 2 {
		t.Errorf("stored: %v", all)
	}
}
