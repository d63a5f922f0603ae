package commitlog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// rawOf is a record as it stands in its batch.
func rawOf(key, value []byte) []byte {
	var b recordbatch.Builder
	b.Reset(0, 0, 0)
	b.Append(recordbatch.Entry{Key: key, Value: value, HeaderCount: 1, Headers: recordbatch.AppendHeader(nil, "h", []byte("x"))})
	return b.AppendTo(nil)[recordbatch.HeaderBytes:]
}

func newTableBroker() *scriptedBroker {
	b := newPlainBroker(2)
	b.topic.Kind = wire.KindTable
	return b
}

func TestGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTableBroker()
		var asked []wire.GetRequest
		answer := wire.GetResponse{Epoch: testEpoch, Offset: 41, Timestamp: brokerTime, Record: rawOf([]byte("alice"), []byte("v"))}
		b.get = func(req wire.GetRequest) (wire.GetResponse, error) {
			asked = append(asked, req)
			return answer, nil
		}
		c, topic := b.connect(t, Config{})
		got, ok, err := c.Get(t.Context(), topic, []byte("alice"), Strict())
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		partition := partitioner.Partition("alice", testPartitions)
		want := Record{
			Partition: partition, Offset: 41, Epoch: testEpoch, Time: time.UnixMilli(brokerTime).UTC(),
			Key: []byte("alice"), Value: []byte("v"), Headers: []Header{{"h", []byte("x")}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record (-want +got):\n%s", diff)
		}
		answer.Record = nil
		if _, ok, err := c.Get(t.Context(), topic, []byte("alice")); ok || err != nil {
			t.Errorf("without a record: %t, %v", ok, err)
		}
		answer.Record = rawOf([]byte("alice"), nil)
		if _, ok, err := c.Get(t.Context(), topic, []byte("alice")); ok || err != nil {
			t.Errorf("a tombstone: %t, %v", ok, err)
		}
		wantAsked := []wire.GetRequest{
			{Partition: partition, Key: []byte("alice"), Strict: true},
			{Partition: partition, Key: []byte("alice"), MinEpoch: testEpoch, MinOffset: 42},
			{Partition: partition, Key: []byte("alice"), MinEpoch: testEpoch, MinOffset: 42},
		}
		if diff := cmp.Diff(wantAsked, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
	})
}

func TestGetSeesWhatWasDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newTableBroker()
		var asked wire.GetRequest
		b.get = func(req wire.GetRequest) (wire.GetResponse, error) {
			asked = req
			return wire.GetResponse{Epoch: testEpoch}, nil
		}
		p, c := produceOn(t, b, ProducerConfig{})
		for range 3 {
			if _, err := p.Deliver(t.Context(), Message{Key: []byte("alice")}); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := c.Get(t.Context(), p.topic, []byte("alice")); err != nil || asked.MinOffset != 3 || asked.MinEpoch != testEpoch {
			t.Errorf("asked %+v, %v", asked, err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestGetErrors(t *testing.T) {
	raw := rawOf([]byte("alice"), []byte("v"))
	tests := []struct {
		name   string
		answer wire.GetResponse
		want   error
	}{
		{"another key", wire.GetResponse{Epoch: testEpoch, Record: rawOf([]byte("bob"), nil)}, ErrCorrupt},
		{"a damaged record", wire.GetResponse{Epoch: testEpoch, Record: raw[:len(raw)-1]}, ErrCorrupt},
		{"more than a record", wire.GetResponse{Epoch: testEpoch, Record: append(slices.Clip(raw), 0)}, ErrCorrupt},
		{"corrupt", wire.GetResponse{Code: wire.Corrupt}, ErrCorrupt},
		{"diverged", wire.GetResponse{Code: wire.LogDiverged}, ErrLogDiverged},
		{"unknown topic", wire.GetResponse{Code: wire.UnknownTopic}, ErrUnknownTopic},
		{"invalid", wire.GetResponse{Code: wire.Invalid}, ErrInvalid},
		{"never served", wire.GetResponse{Code: wire.NotLeader}, ErrUnavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newTableBroker()
				b.get = func(wire.GetRequest) (wire.GetResponse, error) { return tt.answer, nil }
				c, topic := b.connect(t, Config{})
				if _, ok, err := c.Get(t.Context(), topic, []byte("alice")); ok || !errors.Is(err, tt.want) {
					t.Errorf("got %t, %v; want %v", ok, err, tt.want)
				}
			})
		})
	}
	b := newTableBroker()
	c, topic := b.connect(t, Config{})
	if _, _, err := c.Get(t.Context(), topic, nil); !errors.Is(err, ErrInvalid) {
		t.Errorf("no key: got %v", err)
	}
	if _, _, err := c.Get(t.Context(), topic, make([]byte, 256)); !errors.Is(err, ErrAppendTooLarge) {
		t.Errorf("a key of 256 bytes: got %v", err)
	}
	topic.Kind = Plain
	if _, _, err := c.Get(t.Context(), topic, []byte("k")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "table") {
		t.Errorf("a plain topic: got %v", err)
	}
}

func TestDeleteBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newPlainBroker(2)
		var asked []wire.DeleteBeforeRequest
		var answers []wire.DeleteBeforeResponse
		b.delete = func(req wire.DeleteBeforeRequest) (wire.DeleteBeforeResponse, error) {
			asked = append(asked, req)
			answer := answers[0]
			answers = answers[1:]
			return answer, nil
		}
		c, topic := b.connect(t, Config{})
		answers = []wire.DeleteBeforeResponse{{Code: wire.NotLeader}, {Code: wire.Unknown}, {Epoch: testEpoch, Start: 90, HighWatermark: 200}}
		if start, err := c.DeleteBefore(t.Context(), topic, 3, 100); err != nil || start != 90 {
			t.Errorf("got %d, %v", start, err)
		}
		if diff := cmp.Diff([]wire.DeleteBeforeRequest{{Partition: 3, Offset: 100}, {Partition: 3, Offset: 100}, {Partition: 3, Offset: 100}}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		answers = []wire.DeleteBeforeResponse{{Code: wire.OffsetRange, Start: 90, HighWatermark: 200}}
		_, err := c.DeleteBefore(t.Context(), topic, 3, 201)
		if outside, ok := errors.AsType[*OffsetRangeError](err); !ok || outside.Start != 90 || outside.End != 200 || outside.Offset != 201 {
			t.Errorf("beyond the end: got %v", err)
		}
		if _, err := c.DeleteBefore(t.Context(), topic, 3, -1); !errors.Is(err, ErrOffsetOutOfRange) {
			t.Errorf("a negative offset: got %v", err)
		}
		if _, err := c.DeleteBefore(t.Context(), topic, testPartitions, 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("no such partition: got %v", err)
		}
		topic.Kind = Versioned
		if _, err := c.DeleteBefore(t.Context(), topic, 3, 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("a versioned topic: got %v", err)
		}
	})
}

// cutLog is a log of which the first records are deleted while it is read.
type cutLog struct {
	*partitionLog
	starts []int64 // one for each fetch; the last repeats
}

func (l *cutLog) answer(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
	start := l.starts[min(len(l.fetches), len(l.starts)-1)]
	if req.Offset < start {
		l.fetches = append(l.fetches, req)
		return wire.FetchResponse{Code: wire.OffsetRange, Epoch: testEpoch, Start: start, HighWatermark: l.next}, nil
	}
	resp, err := l.fetch(ctx, req)
	resp.Start = start
	return resp, err
}

func TestEarliest(t *testing.T) {
	tests := []struct {
		name   string
		known  int64 // start of the partition as the topic says it
		starts []int64
		r      Range
		want   []int64
		err    error
	}{
		{"nothing deleted", 0, []int64{0}, Range{From: Earliest}, span(0, 12), nil},
		{"known start", 5, []int64{5}, Range{From: Earliest}, span(5, 12), nil},
		{"start that has moved", 0, []int64{7}, Range{From: Earliest}, span(7, 12), nil},
		{"start that moves on", 2, []int64{5, 7, 7}, Range{From: Earliest, Live: false}, span(7, 12), nil},
		{"everything deleted", 0, []int64{12}, Range{From: Earliest}, nil, nil},
		{"to within what is deleted", 0, []int64{7}, Range{From: Earliest, To: 5}, nil, nil},
		{"to behind it", 0, []int64{7}, Range{From: Earliest, To: 9}, span(7, 9), nil},
		{"explicit offset that is deleted", 0, []int64{7}, Range{From: 3}, nil, ErrOffsetOutOfRange},
		{"explicit start", 0, []int64{7}, Range{From: 7}, span(7, 12), nil},
		{"overtaken by the deletion", 0, []int64{0, 10}, Range{From: Earliest}, span(0, 6), ErrOffsetOutOfRange},
		{"another negative offset", 0, []int64{0}, Range{From: -1}, nil, ErrOffsetOutOfRange},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newPlainBroker(1)
				log := &cutLog{partitionLog: newPartitionLog(3, 3, 6), starts: tt.starts}
				b.fetch = func(ctx context.Context, req wire.FetchRequest) (wire.FetchResponse, error) {
					return log.answer(ctx, req)
				}
				c, topic := b.connect(t, Config{})
				topic.Partitions[1].Start = tt.known
				got, err := offsets(t.Context(), c, topic, tt.r)
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				if outside, ok := errors.AsType[*OffsetRangeError](err); ok && tt.r.From >= 0 && outside.Start != 7 {
					t.Errorf("the error names start %d", outside.Start)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("offsets (-want +got):\n%s", diff)
				}
			})
		})
	}
}
