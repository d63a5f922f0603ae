package commitlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// ledger counts what becomes of records, each of which has a name.
type ledger struct {
	mu        sync.Mutex
	delivered map[string]Delivery
	failed    map[string]error
	order     []string
	twice     []string
}

func newLedger() *ledger {
	return &ledger{delivered: map[string]Delivery{}, failed: map[string]error{}}
}

// of is what to call about a record.
func (l *ledger) of(name string) func(Delivery, error) {
	return func(d Delivery, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if _, failed := l.failed[name]; failed || slices.Contains(l.order, name) {
			l.twice = append(l.twice, name)
		}
		l.order = append(l.order, name)
		if err != nil {
			l.failed[name] = err
		} else {
			l.delivered[name] = d
		}
	}
}

// told is how many records have an outcome.
func (l *ledger) told() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.order)
}

func TestDeliver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(2)
		p, _ := produceOn(t, b, ProducerConfig{})
		m := Message{Key: []byte("alice"), Value: []byte("hello"), Headers: []Header{{"a", []byte("x")}, {"a", nil}}}
		got, err := p.Deliver(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		partition := partitioner.Partition("alice", testPartitions)
		want := Delivery{Partition: partition, Epoch: testEpoch, Time: time.UnixMilli(brokerTime).UTC()}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("delivery (-want +got):\n%s", diff)
		}
		r := b.shelf.records[partition][0]
		if string(r.Key) != "alice" || string(r.Value) != "hello" || r.Headers.Len() != 2 {
			t.Errorf("stored %+v", r)
		}
		for _, m := range []Message{{}, {Key: []byte{}, Value: []byte{}}} { // null and empty are kept apart
			if got, err = p.Deliver(t.Context(), Message{Key: m.Key, Value: m.Value, Partition: new(int32(3))}); err != nil || got.Partition != 3 {
				t.Fatalf("got %+v, %v", got, err)
			}
			r := b.shelf.records[3][got.Offset]
			if (r.Key == nil) != (m.Key == nil) || (r.Value == nil) != (m.Value == nil) {
				t.Errorf("%+v is stored as %+v", m, r)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		checkShelf(t, b)
	})
}

func TestSendKeepsTheOrderOfAPartition(t *testing.T) {
	for _, compression := range []Compression{Uncompressed, Zstd, LZ4, S2} {
		t.Run(fmt.Sprint(compression), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(2)
				p, _ := produceOn(t, b, ProducerConfig{Compression: compression, BatchBytesMax: 8 << 10})
				l := newLedger()
				sent := map[int32][]string{}
				for i := range 5000 {
					partition := int32(i % 4)
					name := fmt.Sprintf("%d/%d", partition, i)
					if err := p.Send(t.Context(), Message{Value: []byte(name), Partition: new(partition)}, l.of(name)); err != nil {
						t.Fatal(err)
					}
					sent[partition] = append(sent[partition], name)
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				for partition, want := range sent {
					if diff := cmp.Diff(want, b.shelf.values(partition)); diff != "" {
						t.Errorf("partition %d (-sent +stored):\n%s", partition, diff)
					}
					for i, name := range want {
						if d := l.delivered[name]; d.Offset != int64(i) || d.Partition != partition {
							t.Errorf("%s was delivered to %+v, not to offset %d", name, d, i)
						}
					}
				}
				if l.told() != 5000 || len(l.twice) > 0 {
					t.Errorf("%d were told, %q twice", l.told(), l.twice)
				}
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
				checkShelf(t, b)
				for _, req := range b.produces {
					info, err := recordbatch.Peek(req.Batches[0].Batch)
					codec, _ := compression.codec()
					if err != nil || info.Codec != codec && info.Count > 100 {
						t.Errorf("a batch of %d records is compressed with %v, %v", info.Count, info.Codec, err)
					}
				}
			})
		})
	}
}

func TestRecordsJoinWhileARequestIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		open := make(chan struct{})
		b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
			<-open
			return b.shelve(req), nil
		}
		p, _ := produceOn(t, b, ProducerConfig{})
		send := func(n int) {
			for i := range n {
				if err := p.Send(t.Context(), Message{Key: fmt.Append(nil, i), Value: []byte("v")}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		send(1)
		synctest.Wait()
		send(1000)
		synctest.Wait()
		if b.producing != 1 {
			t.Errorf("%d requests are in flight", b.producing)
		}
		close(open)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(b.produces) != 2 || len(b.produces[1].Batches) != testPartitions {
			t.Errorf("%d requests, the last of %d batches", len(b.produces), len(b.produces[len(b.produces)-1].Batches))
		}
	})
}

func TestRequestsOfBatchesKeepWithinWhatTheServerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.max = 100 << 10
		sent := make(chan struct{}) // requests are as full as they can be when they wait for the one before
		b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
			<-sent
			return b.shelve(req), nil
		}
		p, _ := produceOn(t, b, ProducerConfig{BatchBytesMax: 30 << 10})
		for range 200 {
			if err := p.Send(t.Context(), Message{Value: make([]byte, 5<<10)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Send(t.Context(), Message{Value: make([]byte, 95<<10)}, nil); err != nil {
			t.Fatal(err)
		}
		err := p.Send(t.Context(), Message{Value: make([]byte, 100<<10)}, nil)
		if large, ok := errors.AsType[*TooLargeError](err); !ok || large.Max >= b.max {
			t.Errorf("got %v", err)
		}
		close(sent)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, req := range b.produces {
			if n := len(req.AppendTo(nil)); n > b.max {
				t.Errorf("a request has %d bytes", n)
			}
			for _, batch := range req.Batches {
				if n := len(batch.Batch); n > 30<<10 && n < 95<<10 {
					t.Errorf("a batch has %d bytes", n)
				}
			}
		}
		if n := len(b.produces); n < 11 || n > 20 {
			t.Errorf("%d requests for 201 records of which 18 fit in one", n)
		}
		checkShelf(t, b)
	})
}

func TestAllLanesHaveTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.max = 40 << 10
		open := make(chan struct{})
		b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
			<-open
			return b.shelve(req), nil
		}
		p, _ := produceOn(t, b, ProducerConfig{BatchBytesMax: 16 << 10})
		for i := range 400 { // partition 0 has far more than the others
			partition := int32(0)
			if i%20 == 19 {
				partition = int32(i/20)%3 + 1
			}
			if err := p.Send(t.Context(), Message{Value: make([]byte, 4<<10), Partition: new(partition)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		close(open)
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		seen := map[int32]int{}
		for i, req := range b.produces {
			for _, batch := range req.Batches {
				if _, ok := seen[batch.Partition]; !ok {
					seen[batch.Partition] = i
				}
			}
		}
		for partition, i := range seen {
			if i > 6+requestsMax { // of 45; so many more may be in flight
				t.Errorf("partition %d had to wait for request %d of %d", partition, i, len(b.produces))
			}
		}
	})
}

func TestRecordsWithoutAKeyShareBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{BatchBytesMax: 4 << 10, Linger: time.Second})
		for range 400 {
			if err := p.Send(t.Context(), Message{Value: make([]byte, 300)}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		total := 0
		for partition := range int32(testPartitions) {
			n := len(b.shelf.records[partition])
			total += n
			if n < 80 || n > 120 {
				t.Errorf("partition %d holds %d of 400", partition, n)
			}
			for i, records := range b.shelf.batches[partition] {
				if records < 8 && i < len(b.shelf.batches[partition])-1 {
					t.Errorf("batch %d of partition %d has %d records", i, partition, records)
				}
			}
		}
		if total != 400 {
			t.Errorf("%d records are stored", total)
		}
	})
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{Linger: time.Minute, BatchBytesMax: 8 << 10})
		l := newLedger()
		begin := time.Now()
		send := func(n int, name string) {
			for range n {
				if err := p.Send(t.Context(), Message{Value: make([]byte, 1000), Partition: new(int32(1))}, l.of(name)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		send(1, "lingers")
		if l.told() != 0 {
			t.Error("a batch did not linger")
		}
		wait(t.Context(), 40*time.Second)
		send(1, "joins")
		wait(t.Context(), 20*time.Second)
		synctest.Wait()
		if l.told() != 2 || len(b.produces) != 1 {
			t.Errorf("after %v: %d are told, by %d requests", time.Since(begin), l.told(), len(b.produces))
		}
		send(9, "fill")
		if l.told() < 9 {
			t.Errorf("a full batch lingers: %d are told", l.told())
		}
		if err := p.Flush(t.Context()); err != nil || l.told() != 11 {
			t.Errorf("after Flush %d are told, %v", l.told(), err)
		}
		if d := time.Since(begin); d != time.Minute {
			t.Errorf("it took %v", d)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	large := func(n int) []byte { return make([]byte, n) }
	tests := []struct {
		name string
		kind Kind
		m    Message
		want error
	}{
		{"a key that is too long", Plain, Message{Key: large(256)}, ErrAppendTooLarge},
		{"a value that is too large", Plain, Message{Value: large(1<<20 + 1)}, ErrAppendTooLarge},
		{"headers that are too large", Plain, Message{Headers: []Header{{"a", large(40 << 10)}, {"b", large(30 << 10)}}}, ErrAppendTooLarge},
		{"a header key that is too long", Plain, Message{Headers: []Header{{strings.Repeat("x", 64<<10), nil}}}, ErrAppendTooLarge},
		{"a partition that there is not", Plain, Message{Partition: new(int32(testPartitions))}, ErrInvalid},
		{"a negative partition", Plain, Message{Partition: new(int32(-1))}, ErrInvalid},
		{"a time that is the broker's", Plain, Message{Time: time.Now()}, ErrInvalid},
		{"a table's record without a key", Table, Message{Value: large(1)}, ErrInvalid},
		{"a table's record with an empty key", Table, Message{Key: large(0), Value: large(1)}, ErrInvalid},
		{"a table's record with a partition", Table, Message{Key: large(1), Partition: new(int32(1))}, ErrInvalid},
		{"nothing of a plain topic's", Plain, Message{}, nil},
		{"the largest", Plain, Message{Key: large(255), Value: large(1 << 20), Headers: []Header{{"a", large(63 << 10)}}}, nil},
		{"a table's tombstone", Table, Message{Key: large(1)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				b.topic.Kind = string(tt.kind)
				p, _ := produceOn(t, b, ProducerConfig{})
				if _, err := p.Deliver(t.Context(), tt.m); !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestProducerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		c, topic := b.connect(t, Config{})
		for _, cfg := range []ProducerConfig{{Acks: 3}, {Compression: 4}, {Linger: -1}, {BatchBytesMax: -1}, {BufferBytesMax: -1}, {BufferWaitMax: -1}, {DeliveryTimeout: -1}} {
			if _, err := c.Producer(t.Context(), topic, cfg); !errors.Is(err, ErrInvalid) {
				t.Errorf("%+v: got %v", cfg, err)
			}
		}
		if _, err := c.Producer(t.Context(), Topic{Name: "made up"}, ProducerConfig{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("a topic that was not looked up: got %v", err)
		}
		topic.Kind = Versioned
		if _, err := c.Producer(t.Context(), topic, ProducerConfig{}); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "Append") {
			t.Errorf("a versioned topic: got %v", err)
		}
	})
}

func TestProducerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.topic.ProducerTime = true
		p, _ := produceOn(t, b, ProducerConfig{})
		for _, given := range []time.Time{time.UnixMilli(42).UTC(), time.UnixMilli(-42).UTC(), {}} {
			got, err := p.Deliver(t.Context(), Message{Partition: new(int32(0)), Time: given})
			want := given
			if want.IsZero() {
				want = time.Now().UTC()
			}
			if err != nil || !got.Time.Equal(want) || b.shelf.records[0][got.Offset].Timestamp != want.UnixMilli() {
				t.Errorf("given %v: delivered %+v, %v", given, got, err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullBufferRefusesAfterABoundedWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		open := make(chan struct{})
		b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
			<-open
			return b.shelve(req), nil
		}
		p, _ := produceOn(t, b, ProducerConfig{BufferBytesMax: 4 << 20, Linger: time.Hour})
		l := newLedger()
		n := 0
		send := func(ctx context.Context) error {
			name := fmt.Sprint("record ", n)
			err := p.Send(ctx, Message{Key: fmt.Append(nil, n), Value: make([]byte, 100<<10)}, l.of(name))
			if err == nil {
				n++
			}
			return err
		}
		begin := time.Now()
		var err error
		for err == nil {
			err = send(t.Context())
		}
		full, ok := errors.AsType[*BufferExhaustedError](err)
		if !ok || !errors.Is(err, ErrBufferExhausted) || errors.Is(err, ErrIndefinite) || full.Max != 4<<20 || time.Since(begin) != 5*time.Second {
			t.Errorf("after %v got %v", time.Since(begin), err)
		}
		if n < 20 || n > 40 {
			t.Errorf("%d records of 100 KiB in 4 MiB", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		refused := make(chan error)
		go func() { refused <- send(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-refused; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		go func() { refused <- send(t.Context()) }()
		synctest.Wait()
		close(open) // what waits is sent although it lingers
		if err := <-refused; err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if l.told() != n || len(l.delivered) != n {
			t.Errorf("%d of %d delivered", len(l.delivered), n)
		}
		if !p.memory.tryTake(4 << 20) {
			t.Error("memory is missing")
		}
		checkShelf(t, b)
	})
}

func TestUntilTheTruthOfABatchIsKnown(t *testing.T) {
	tests := []struct {
		name  string
		steps []step   // the last one repeats
		since []uint64 // of each send: the session of the first one without an outcome, 1 being the broker's first; 0: none
		want  error    // nil: stored
		not   error    // must not match as well
	}{
		{name: "stored", steps: []step{{}}, since: []uint64{0}},
		{name: "lost, then answered", steps: []step{{lost: errLost}, {}}, since: []uint64{0, 1}},
		{name: "disconnected, then answered", steps: []step{{lost: errDisconnect}, {}}, since: []uint64{0, 1}},
		{name: "lost with its session", steps: []step{{lost: errLost, elect: true}, {}}, since: []uint64{0, 1}},
		{name: "nobody listens", steps: []step{{lost: errNobody}, {lost: errNobody}, {}}, since: []uint64{0, 0, 0}},
		{name: "not the leader", steps: []step{{code: wire.NotLeader}, {}}, since: []uint64{0, 0}},
		{name: "not the leader any more", steps: []step{{code: wire.NotLeader, elect: true, whole: true}, {}}, since: []uint64{0, 0}},
		{name: "overloaded", steps: []step{{code: wire.Overloaded}, {code: wire.Overloaded, whole: true}, {}}, since: []uint64{0, 0, 0}},
		{name: "too few replicas", steps: []step{{code: wire.NotEnoughSync}, {}}, since: []uint64{0, 0}},
		{name: "a full disk", steps: []step{{code: wire.NoStorage}, {}}, since: []uint64{0, 0}},
		{name: "lost, then overloaded", steps: []step{{lost: errLost}, {code: wire.Overloaded}, {}}, since: []uint64{0, 1, 1}},
		{name: "proven absent", steps: []step{{lost: errLost}, {code: wire.Retry}, {}}, since: []uint64{0, 1, 0}},
		{name: "proven absent, then lost in the next session", steps: []step{{lost: errLost}, {code: wire.Retry, elect: true}, {lost: errLost, elect: true}, {}}, since: []uint64{0, 1, 0, 2}},
		{name: "unknown to the broker", steps: []step{{code: wire.Unknown}, {code: wire.Unknown}, {}}, since: []uint64{0, 1, 1}},
		{name: "a fault of the broker", steps: []step{{code: wire.Internal, whole: true}, {}}, since: []uint64{0, 1}},
		{name: "an answer to something else", steps: []step{{wrong: true}, {}}, since: []uint64{0, 1}},
		{name: "an unknown code", steps: []step{{code: 99}, {}}, since: []uint64{0, 1}},

		{name: "too large", steps: []step{{code: wire.TooLarge}}, since: []uint64{0}, want: ErrAppendTooLarge, not: ErrIndefinite},
		{name: "invalid", steps: []step{{code: wire.Invalid}}, since: []uint64{0}, want: ErrInvalid, not: ErrIndefinite},
		{name: "lost, then invalid", steps: []step{{lost: errLost}, {code: wire.Invalid}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrInvalid},
		{name: "out of order", steps: []step{{code: wire.OutOfOrder}}, since: []uint64{0}, want: ErrOutOfOrder, not: ErrIndefinite},
		{name: "lost, then out of order", steps: []step{{lost: errLost}, {code: wire.OutOfOrder}}, since: []uint64{0, 1}, want: ErrIndefinite, not: ErrOutOfOrder},
		{name: "lost, proven absent, then out of order", steps: []step{{lost: errLost}, {code: wire.Retry}, {code: wire.OutOfOrder}}, since: []uint64{0, 1, 0}, want: ErrOutOfOrder, not: ErrIndefinite},
		{name: "unknown topic", steps: []step{{code: wire.UnknownTopic}}, since: []uint64{0}, want: ErrUnknownTopic, not: ErrIndefinite},
		{name: "corrupt", steps: []step{{code: wire.Corrupt}}, since: []uint64{0}, want: ErrCorrupt},
		{name: "corrupt is not definite", steps: []step{{code: wire.Corrupt, whole: true}}, since: []uint64{0}, want: ErrIndefinite},
		{name: "diverged", steps: []step{{code: wire.LogDiverged}}, since: []uint64{0}, want: ErrLogDiverged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				sends := 0
				b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
					s := tt.steps[min(sends, len(tt.steps)-1)]
					sends++
					return s.answerBatches(b, req)
				}
				p, _ := produceOn(t, b, ProducerConfig{})
				got, err := p.Deliver(t.Context(), Message{Value: []byte("v"), Partition: new(int32(2))})
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if tt.not != nil && errors.Is(err, tt.not) {
					t.Errorf("%v must not match %v", err, tt.not)
				}
				if tt.want == nil && (got.Partition != 2 || got.Offset != 0) {
					t.Errorf("got %+v", got)
				}
				var since []uint64
				for _, req := range b.produces {
					since = append(since, sessionOf(req.Batches[0].Since))
					if req.Producer != b.produces[0].Producer || !bytes.Equal(req.Batches[0].Batch, b.produces[0].Batches[0].Batch) {
						t.Error("what was sent again is not what was sent")
					}
				}
				if diff := cmp.Diff(tt.since, since); diff != "" {
					t.Errorf("what was said of earlier sends differs (-want +got):\n%s", diff)
				}
				err = p.Close(t.Context())
				if lost, ok := errors.AsType[*NotDeliveredError](err); (tt.want != nil) != ok || ok && (lost.Records != 1 || !errors.Is(lost.First, tt.want)) {
					t.Errorf("Close returned %v", err)
				}
				checkShelf(t, b)
			})
		})
	}
}

// answerBatches does to a request of batches what answer does to one of appends.
func (s step) answerBatches(b *scriptedBroker, req wire.ProduceRequest) (wire.ProduceResponse, error) {
	if s.elect {
		defer b.elect(0)
	}
	switch {
	case s.lost != nil:
		return wire.ProduceResponse{}, s.lost
	case s.wrong:
		return wire.ProduceResponse{Results: make([]wire.ProduceResult, len(req.Batches)+1)}, nil
	case s.whole:
		return wire.ProduceResponse{Code: s.code, Detail: "because"}, nil
	case s.code == wire.OK:
		return b.shelve(req), nil
	default:
		return answerAllBatches(req, wire.ProduceResult{Code: s.code, Detail: "because"}), nil
	}
}

func TestProducerGivesUp(t *testing.T) {
	tests := []struct {
		name      string
		step      step
		want, not error
	}{
		{"what may be stored", step{lost: errLost}, ErrIndefinite, ErrUnavailable},
		{"what the broker knows nothing of", step{code: wire.Unknown}, ErrIndefinite, ErrUnavailable},
		{"what nobody takes", step{lost: errNobody}, ErrUnavailable, ErrIndefinite},
		{"what no leader takes", step{code: wire.NotLeader}, ErrUnavailable, ErrIndefinite},
		{"what is never evaluated", step{code: wire.Retry, elect: true}, ErrUnavailable, ErrIndefinite},
		{"what finds no room", step{code: wire.Overloaded}, ErrOverloaded, ErrIndefinite},
		{"what finds too few replicas", step{code: wire.NotEnoughSync}, ErrNotEnoughReplicas, ErrIndefinite},
		{"what finds a full disk", step{code: wire.NoStorage}, ErrNoStorage, ErrIndefinite},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				healthy := false
				b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
					if healthy {
						return b.shelve(req), nil
					}
					wait(t.Context(), time.Millisecond)
					return tt.step.answerBatches(b, req)
				}
				p, _ := produceOn(t, b, ProducerConfig{})
				l := newLedger()
				send := func(name string) {
					if err := p.Send(t.Context(), Message{Value: []byte(name), Partition: new(int32(1))}, l.of(name)); err != nil {
						t.Fatal(err)
					}
				}
				begin := time.Now()
				send("first")
				synctest.Wait()
				wait(t.Context(), 10*time.Second)
				send("second")
				wait(t.Context(), 50*time.Second)
				send("third") // in a batch of its own by then
				for l.told() < 2 && time.Since(begin) < 3*time.Minute {
					wait(t.Context(), time.Second)
				}
				healthy = true
				if d := time.Since(begin); d < 2*time.Minute || d > 2*time.Minute+15*time.Second {
					t.Errorf("it took %v", d)
				}
				if err := l.failed["first"]; !errors.Is(err, tt.want) || errors.Is(err, tt.not) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the first ended with %v, want %v", err, tt.want)
				}
				if err := l.failed["second"]; !errors.Is(err, tt.want) {
					t.Errorf("the second ended with %v", err)
				}
				if n := len(b.produces); n > 500 {
					t.Errorf("it was sent %d times", n)
				}
				err := p.Close(t.Context())
				if lost, ok := errors.AsType[*NotDeliveredError](err); !ok || lost.Records != 2 || !errors.Is(err, tt.want) {
					t.Errorf("Close returned %v", err)
				}
				if diff := cmp.Diff([]string{"third"}, b.shelf.values(1)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
				checkShelf(t, b)
			})
		})
	}
}

// A batch that is refused for ever, or has no outcome for ever, does not keep the later ones from going on.
func TestOneRefusedBatchDoesNotHoldUpTheOthers(t *testing.T) {
	for name, code := range map[string]wire.Code{"refused": wire.Invalid, "unknown": wire.Unknown} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				b.produce = func(req wire.ProduceRequest) (resp wire.ProduceResponse, err error) {
					for i := range req.Batches {
						r := wire.ProduceResult{Code: code}
						if req.Batches[i].Partition != 0 {
							r = b.shelve(wire.ProduceRequest{Producer: req.Producer, Batches: req.Batches[i : i+1]}).Results[0]
						}
						resp.Results = append(resp.Results, r)
					}
					return resp, nil
				}
				p, _ := produceOn(t, b, ProducerConfig{Linger: time.Millisecond, DeliveryTimeout: 10 * time.Second})
				l := newLedger()
				for _, partition := range []int32{0, 1, 2} {
					if err := p.Send(t.Context(), Message{Partition: new(partition)}, l.of(fmt.Sprint(partition))); err != nil {
						t.Fatal(err)
					}
				}
				err := p.Close(t.Context())
				if lost, ok := errors.AsType[*NotDeliveredError](err); !ok || lost.Records != 1 || lost.Indefinite != map[wire.Code]int{wire.Unknown: 1}[code] {
					t.Errorf("Close returned %v", err)
				}
				if len(l.delivered) != 2 || l.failed["0"] == nil {
					t.Errorf("delivered %v, failed %v", l.delivered, l.failed)
				}
			})
		})
	}
}

func TestCloseGivesUpWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.produce = func(wire.ProduceRequest) (wire.ProduceResponse, error) { return wire.ProduceResponse{}, errLost }
		p, _ := produceOn(t, b, ProducerConfig{})
		l := newLedger()
		send := func(n int, name string) {
			for i := range n {
				if err := p.Send(t.Context(), Message{Partition: new(int32(0))}, l.of(fmt.Sprint(name, i))); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		send(3, "in flight ")
		send(5, "waiting ")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		err := p.Close(ctx)
		sent := 0 // Close sends what waits, too
		for _, req := range b.produces {
			info, err := recordbatch.Peek(req.Batches[0].Batch)
			if err != nil {
				t.Fatal(err)
			}
			sent += info.Count
		}
		lost, ok := errors.AsType[*NotDeliveredError](err)
		if !ok || !errors.Is(err, ErrNotDelivered) || lost.Records != 8 || lost.Indefinite != sent || lost.First == nil || lost.Topic != "events" {
			t.Errorf("Close returned %v (%+v)", err, lost)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("it took %v", d)
		}
		if l.told() != 8 || len(l.twice) > 0 || !errors.Is(l.failed["in flight 0"], ErrIndefinite) || !errors.Is(l.failed["waiting 4"], ErrIndefinite) {
			t.Errorf("told of %d: %v", l.told(), l.failed)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Errorf("a second Close: %v", err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Errorf("Flush after Close: %v", err)
		}
		if err := p.Send(t.Context(), Message{}, l.of("late")); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
	})
}

func TestCloseOfTheClientEndsItsProducers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(2)
		b.produce = func(wire.ProduceRequest) (wire.ProduceResponse, error) { return wire.ProduceResponse{}, errLost }
		p, c := produceOn(t, b, ProducerConfig{BufferBytesMax: 4 << 20})
		l := newLedger()
		n := 0
		blocked := make(chan error)
		go func() {
			for {
				err := p.Send(t.Context(), Message{Value: make([]byte, 1<<20)}, l.of(fmt.Sprint(n)))
				if err != nil {
					blocked <- err
					return
				}
				n++
			}
		}()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-blocked; !errors.Is(err, ErrClosed) {
			t.Errorf("a Send that waited for room: %v", err)
		}
		if l.told() != n || len(l.failed) != n {
			t.Errorf("%d of %d told", l.told(), n)
		}
		if _, err := c.Producer(t.Context(), p.topic, ProducerConfig{}); !errors.Is(err, ErrClosed) {
			t.Errorf("a producer of a closed client: %v", err)
		}
		if err := p.Close(t.Context()); !errors.Is(err, ErrNotDelivered) {
			t.Errorf("Close returned %v", err)
		}
	})
}

func TestDeletedTopicEndsItsProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{})
		b.catalogue = func(string, wire.TopicRequest) (wire.TopicResponse, error) {
			return wire.TopicResponse{Code: wire.UnknownTopic}, nil
		}
		if _, err := p.Deliver(t.Context(), Message{}); !errors.Is(err, ErrUnknownTopic) || errors.Is(err, ErrIndefinite) {
			t.Errorf("got %v", err)
		}
		if err := p.Send(t.Context(), Message{}, nil); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("then got %v", err)
		}
		if err := p.Close(t.Context()); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("Close returned %v", err)
		}
	})
}

func TestCorruptShardRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{})
		b.topic.Shard[0].State, b.topic.Shard[0].Session = wire.ShardCorrupt, 0
		begin := time.Now()
		if _, err := p.Deliver(t.Context(), Message{}); !errors.Is(err, ErrCorrupt) || errors.Is(err, ErrIndefinite) || time.Since(begin) > time.Second {
			t.Errorf("after %v got %v", time.Since(begin), err)
		}
		if err := p.Close(t.Context()); !errors.Is(err, ErrCorrupt) {
			t.Errorf("Close returned %v", err)
		}
	})
}

func TestAcksNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{Acks: AcksNone})
		for range 3 {
			got, err := p.Deliver(t.Context(), Message{Value: []byte("v"), Partition: new(int32(1))})
			if err != nil || got.Offset != -1 || got.Partition != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
		}
		if b.published != 3 || len(b.shelf.records[1]) != 3 {
			t.Errorf("%d published, %d stored", b.published, len(b.shelf.records[1]))
		}
		b.elect(0) // nobody answers that the session is gone
		wait(t.Context(), 2*routeAge)
		if _, err := p.Deliver(t.Context(), Message{Value: []byte("v"), Partition: new(int32(1))}); err != nil || b.published != 4 {
			t.Errorf("%d published, %v: the new session was not found", b.published, err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		checkShelf(t, b)
	})
}

func TestAcksNoneWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		b.produce = func(wire.ProduceRequest) (wire.ProduceResponse, error) { return wire.ProduceResponse{}, errNobody }
		p, _ := produceOn(t, b, ProducerConfig{Acks: AcksNone})
		if _, err := p.Deliver(t.Context(), Message{}); !errors.Is(err, ErrUnavailable) || len(b.produces) != 1 {
			t.Errorf("got %v after %d tries", err, len(b.produces))
		}
		if err := p.Close(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Close returned %v", err)
		}
	})
}

func TestNumbersNeverExceedTheirField(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{})
		p.senders[0].last = numberMax - wire.BatchesMax // nothing was sent, so run does not look at it
		for range 2 {
			if _, err := p.Deliver(t.Context(), Message{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		var numbers []int32
		for _, req := range b.produces {
			info, err := recordbatch.Peek(req.Batches[0].Batch)
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, info.BaseSequence)
		}
		if diff := cmp.Diff([]int32{numberMax - wire.BatchesMax + 1, 1}, numbers); diff != "" || b.produces[0].Producer == b.produces[1].Producer {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
		checkShelf(t, b)
	})
}

func TestSendFromWithinACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{BufferBytesMax: 4 << 20})
		done := make(chan struct{})
		left := 100
		var again func(Delivery, error)
		again = func(_ Delivery, err error) {
			if left--; err != nil || left == 0 {
				close(done)
				return
			}
			if err := p.Send(t.Context(), Message{Value: make([]byte, 1<<20)}, again); err != nil {
				t.Error(err)
				close(done)
			}
		}
		again(Delivery{}, nil)
		<-done
		if err := p.Close(t.Context()); err != nil || left != 0 {
			t.Errorf("%d are left, %v", left, err)
		}
	})
}

func TestDeliverEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(1)
		p, _ := produceOn(t, b, ProducerConfig{Linger: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Deliver(ctx, Message{})
		if !errors.Is(err, ErrIndefinite) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := p.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush returned %v", err)
		}
		if _, err := p.Deliver(ctx, Message{}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrIndefinite) {
			t.Errorf("with a context that has ended: %v", err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Many goroutines send while others flush, with real time and a broker that fails at random.
func TestProducerOfManyGoroutines(t *testing.T) {
	for _, compression := range []Compression{Uncompressed, S2} {
		b := newPlainBroker(2)
		b.produce = func(req wire.ProduceRequest) (wire.ProduceResponse, error) {
			switch rand.IntN(8) {
			case 0:
				return wire.ProduceResponse{Code: wire.Overloaded}, nil
			case 1:
				b.shelve(req)
				return wire.ProduceResponse{}, errDisconnect
			case 2:
				return wire.ProduceResponse{}, errNobody
			}
			return b.shelve(req), nil
		}
		p, _ := produceOn(t, b, ProducerConfig{BufferBytesMax: 4 << 20, BatchBytesMax: 4 << 10, Compression: compression})
		l := newLedger()
		const senders, records = 8, 150
		var all sync.WaitGroup
		for i := range senders {
			all.Go(func() {
				for j := range records {
					name := fmt.Sprintf("%d/%d", i, j)
					if err := p.Send(t.Context(), Message{Key: fmt.Append(nil, i), Value: append([]byte(name), make([]byte, 300)...)}, l.of(name)); err != nil {
						t.Error(err)
					}
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(l.delivered) != senders*records || len(l.twice) > 0 {
			t.Errorf("%d delivered, %q twice", len(l.delivered), l.twice)
		}
		for i := range senders {
			partition := partitioner.Partition(fmt.Sprint(i), testPartitions)
			next := 0
			for _, v := range b.shelf.values(partition) {
				if name := strings.TrimRight(v, "\x00"); strings.HasPrefix(name, fmt.Sprint(i, "/")) {
					if want := fmt.Sprintf("%d/%d", i, next); name != want {
						t.Fatalf("%s is stored where %s must be", name, want)
					}
					next++
				}
			}
			if next != records {
				t.Errorf("%d of %d records of sender %d are stored", next, records, i)
			}
		}
		checkShelf(t, b)
		if !p.memory.tryTake(4 << 20) {
			t.Error("memory is missing")
		}
	}
}
