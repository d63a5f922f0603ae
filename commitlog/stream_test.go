package commitlog

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// rawRecord is a record as it stands in a batch.
func rawRecord(key string, value []byte) []byte {
	var b recordbatch.Builder
	b.Reset(0, 0, 0)
	pos, n := b.Append(recordbatch.Entry{Key: []byte(key), Value: value, HeaderCount: 1, Headers: recordbatch.AppendHeader(nil, wire.HeaderType, []byte("t"))})
	return b.AppendTo(nil)[pos:][:n]
}

// streamLog answers two versions of account-alice at a time. Version v is at offset 10*v.
type streamLog struct {
	head     int64
	requests []wire.StreamRequest
	change   func(*wire.StreamResponse)
}

func (l *streamLog) stream(req wire.StreamRequest) (wire.StreamResponse, error) {
	l.requests = append(l.requests, req)
	resp := wire.StreamResponse{Epoch: testEpoch, Head: l.head}
	from := req.From
	if len(req.CommandID) > 0 { // versions 3 to 6 are the command's
		from = max(from, 3)
		resp.Head = min(resp.Head, 6)
	}
	for v := from; v <= resp.Head && v < from+2; v++ {
		resp.Records = append(resp.Records, wire.StreamRecord{
			Version: v, Offset: 10 * v, Timestamp: 1750000000000 + v, Raw: rawRecord("account-alice", fmt.Append(nil, v)),
		})
	}
	if l.change != nil {
		l.change(&resp)
	}
	return resp, nil
}

func versions(t *testing.T, c *Client, topic Topic, q StreamQuery) (got []int64, err error) {
	q.Stream = "account-alice"
	for rec, err := range c.Stream(t.Context(), topic, q) {
		if err != nil {
			return got, err
		}
		got = append(got, rec.Version)
	}
	return got, nil
}

func TestStream(t *testing.T) {
	tests := []struct {
		name  string
		head  int64
		q     StreamQuery
		want  []int64
		pages int
	}{
		{"all", 5, StreamQuery{}, []int64{1, 2, 3, 4, 5}, 3},
		{"whole pages", 4, StreamQuery{From: 1}, []int64{1, 2, 3, 4}, 2},
		{"from a version", 5, StreamQuery{From: 4}, []int64{4, 5}, 1},
		{"from behind the head", 5, StreamQuery{From: 9}, nil, 1},
		{"no such stream", 0, StreamQuery{}, nil, 1},
		{"by command id", 9, StreamQuery{CommandID: "req-1", From: 7}, []int64{3, 4, 5, 6}, 2},
		{"by an unknown command id", 0, StreamQuery{CommandID: "req-1"}, nil, 1},
		{"strict", 5, StreamQuery{Strict: true}, []int64{1, 2, 3, 4, 5}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(1)
			log := streamLog{head: tt.head}
			b.stream = log.stream
			c, topic := b.connect(t, Config{})
			got, err := versions(t, c, topic, tt.q)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("versions differ (-want +got):\n%s", diff)
			}
			if len(log.requests) != tt.pages {
				t.Errorf("%d requests, want %d", len(log.requests), tt.pages)
			}
			for i, req := range log.requests {
				if req.Strict != (tt.q.Strict && i == 0) {
					t.Errorf("request %d: strict %t", i, req.Strict)
				}
			}
		})
	}
}

func TestAStreamRecordIsWhatWasStored(t *testing.T) {
	b := newBroker(1)
	b.stream = (&streamLog{head: 1}).stream
	c, topic := b.connect(t, Config{})
	for got, err := range c.Stream(t.Context(), topic, StreamQuery{Stream: "account-alice"}) {
		if err != nil {
			t.Fatal(err)
		}
		want := StreamRecord{Version: 1, Record: Record{
			Partition: partitioner.Partition("account-alice", testPartitions), Offset: 10, Epoch: testEpoch, Time: time.UnixMilli(1750000000001).UTC(),
			Key: []byte("account-alice"), Value: []byte("1"), Headers: []Header{{wire.HeaderType, []byte("t")}},
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("record differs (-want +got):\n%s", diff)
		}
	}
}

// A stream that grows while it is read ends where it ended when the first page came.
func TestAStreamEndsAtItsFirstHead(t *testing.T) {
	b := newBroker(1)
	log := streamLog{head: 3}
	b.stream = log.stream
	c, topic := b.connect(t, Config{})
	var got []int64
	for rec, err := range c.Stream(t.Context(), topic, StreamQuery{Stream: "account-alice"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rec.Version)
		log.head += 2
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, got); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
}

func TestStreamBreaksOff(t *testing.T) {
	b := newBroker(1)
	log := streamLog{head: 9}
	b.stream = log.stream
	c, topic := b.connect(t, Config{})
	for _, err := range c.Stream(t.Context(), topic, StreamQuery{Stream: "account-alice"}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if len(log.requests) != 1 {
		t.Errorf("%d requests", len(log.requests))
	}
}

func TestStreamRefusesDamage(t *testing.T) {
	tests := []struct {
		name   string
		change func(*wire.StreamResponse)
	}{
		{"missing version", func(r *wire.StreamResponse) { r.Records = r.Records[1:] }},
		{"repeated version", func(r *wire.StreamResponse) { r.Records[1] = r.Records[0] }},
		{"offset that falls", func(r *wire.StreamResponse) { r.Records[1].Offset = 3 }},
		{"another stream", func(r *wire.StreamResponse) { r.Records[0].Raw = rawRecord("account-bob", nil) }},
		{"cut record", func(r *wire.StreamResponse) { r.Records[0].Raw = r.Records[0].Raw[:10] }},
		{"bytes behind the record", func(r *wire.StreamResponse) { r.Records[0].Raw = append(r.Records[0].Raw, 0) }},
		{"nothing up to the head", func(r *wire.StreamResponse) { r.Records = nil }},
		{"version 0", func(r *wire.StreamResponse) { r.Records[0].Version = 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(1)
			b.stream = (&streamLog{head: 4, change: tt.change}).stream
			c, topic := b.connect(t, Config{})
			if got, err := versions(t, c, topic, StreamQuery{}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("got %v, %v; want ErrCorrupt", got, err)
			}
		})
	}
}

func TestStreamFollowsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(1)
		log := streamLog{head: 5}
		n := 0
		b.stream = func(req wire.StreamRequest) (wire.StreamResponse, error) {
			switch n++; n {
			case 1:
				return wire.StreamResponse{}, errLost
			case 2:
				return wire.StreamResponse{Code: wire.Stale}, nil
			case 4:
				b.elect(0)
				return wire.StreamResponse{Code: wire.NotLeader}, nil
			}
			return log.stream(req)
		}
		c, topic := b.connect(t, Config{})
		got, err := versions(t, c, topic, StreamQuery{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]int64{1, 2, 3, 4, 5}, got); diff != "" {
			t.Errorf("versions differ (-want +got):\n%s", diff)
		}
		b.stream = func(wire.StreamRequest) (wire.StreamResponse, error) { return wire.StreamResponse{}, errNobody }
		if _, err := versions(t, c, topic, StreamQuery{}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	})
}

func TestStreamChecksBeforeItAsks(t *testing.T) {
	c, topic := newBroker(1).connect(t, Config{})
	for _, tt := range []struct {
		topic Topic
		q     StreamQuery
		want  error
	}{
		{topic, StreamQuery{}, ErrInvalidName},
		{topic, StreamQuery{Stream: strings.Repeat("x", 256)}, ErrInvalidName},
		{topic, StreamQuery{Stream: "a-b", CommandID: strings.Repeat("x", 256)}, ErrInvalidName},
		{topic, StreamQuery{Stream: "a-b", From: -1}, ErrInvalid},
		{Topic{}, StreamQuery{Stream: "a-b"}, ErrInvalid},
	} {
		n := 0
		for _, err := range c.Stream(t.Context(), tt.topic, tt.q) {
			if n++; !errors.Is(err, tt.want) {
				t.Errorf("%+v: got %v, want %v", tt.q, err, tt.want)
			}
		}
		if n != 1 {
			t.Errorf("%d yields, want 1", n)
		}
	}
}
