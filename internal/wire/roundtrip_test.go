package wire

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// message is what all binary messages have in common.
type message interface {
	AppendTo(dst []byte) []byte
	Decode(b []byte) error
}

func samples() map[string]message {
	id := uuid.MustParse("0190b5a4-7c7e-7000-8000-0123456789ab")
	return map[string]message{
		"frames request":  &FramesRequest{From: 1 << 40, MaxBytes: 1 << 20},
		"frames response": &FramesResponse{Code: OK, Epoch: 3, First: 7, Last: 1 << 40, Messages: [][]byte{[]byte("one"), []byte("two")}},
		"append request": &AppendRequest{Producer: 1 << 63, ProducerEpoch: 7, Appends: []Append{
			{
				Sequence: 300, Since: 2,
				Writes: []Write{
					{Partition: 3, Expected: StreamExists, Stream: []byte("account-alice"), CommandID: []byte("req-1"), Events: []Event{
						{ID: id, HeaderCount: 1, Headers: []byte{8, 't', 'y', 'p', 'e', 2, 'x'}, Value: []byte(`{"Amount":1}`)},
						{ID: id, Value: []byte{}},
						{ID: id},
					}},
					{Partition: 1023, Expected: 1 << 40, Stream: []byte("b"), Events: []Event{{ID: id}}},
				},
				Conditions: []Condition{{Partition: 1, After: 99, Types: [][]byte{[]byte("account.opened")}, Tags: [][]byte{[]byte("a"), []byte("b")}}},
			},
			{Sequence: 301, Since: 1<<64 - 1},
			{Sequence: 302},
		}},
		"empty append request": &AppendRequest{Producer: 1},
		"append response": &AppendResponse{Epoch: 12, Results: []AppendResult{
			{Duplicate: true, Timestamp: 1750000000000, Writes: []WriteResult{{Partition: 3, Count: 2, FirstOffset: 1 << 50, FirstVersion: 9}, {}}},
			{Code: Conflict, Detail: "no", Write: 1, Actual: 8},
			{Code: Unknown},
			{Timestamp: -1},
		}},
		"refused append response": &AppendResponse{Code: NotLeader, Detail: "follow", Epoch: 1<<64 - 1},
		"fetch request":           &FetchRequest{Partition: 9, Offset: 1 << 40, MaxBytes: 1 << 20, MaxWaitMS: 5000, MinEpoch: 3, MinOffset: 77},
		"fetch response":          &FetchResponse{Code: OK, Epoch: 3, Start: 5, HighWatermark: 99, Batches: []byte("batches")},
		"refused fetch response":  &FetchResponse{Code: OffsetRange, Detail: "später", Start: 5, HighWatermark: 9},
		"stream request":          &StreamRequest{Partition: 2, Stream: []byte("a-b"), From: 4, CommandID: []byte("c"), MaxBytes: 9, Strict: true, MinEpoch: 1, MinOffset: 2},
		"stream response": &StreamResponse{Epoch: 3, Head: 2, Records: []StreamRecord{
			{Version: 1, Offset: 7, Timestamp: 1750000000000, Raw: []byte("12345678")}, {Version: 2, Offset: 9, Raw: []byte("abcdefg")},
		}},
		"produce request": &ProduceRequest{Producer: 1<<64 - 1, Batches: []ProduceBatch{
			{Partition: 3, Since: 1, After: 7, Batch: []byte("a batch")},
			{Partition: 1023, Since: 1<<64 - 1, After: 1<<31 - 1, Batch: []byte("b"), Expected: []int64{0, 1 << 40}, Unchanged: []Unchanged{{[]byte("k"), 0}, {[]byte("l"), 1 << 50}}},
			{},
		}},
		"empty produce request": &ProduceRequest{Producer: 1},
		"produce response": &ProduceResponse{Epoch: 12, Results: []ProduceResult{
			{BaseOffset: 1 << 50, Timestamp: 1750000000000},
			{Duplicate: true, BaseOffset: 1, Timestamp: -1},
			{Code: OutOfOrder, Detail: "no"},
			{Code: Unknown},
			{},
		}},
		"refused produce response":       &ProduceResponse{Code: NotLeader, Detail: "follow", Epoch: 1<<64 - 1},
		"get request":                    &GetRequest{Partition: 2, Key: []byte("k"), Strict: true, MinEpoch: 1, MinOffset: 1 << 40},
		"get request of nothing":         &GetRequest{},
		"get response":                   &GetResponse{Epoch: 3, Offset: 1 << 50, Timestamp: 1750000000000, Record: []byte("12345678")},
		"get response without a record":  &GetResponse{Epoch: 1<<64 - 1},
		"refused get response":           &GetResponse{Code: Stale, Detail: "behind"},
		"delete-before request":          &DeleteBeforeRequest{Partition: 1023, Offset: 1 << 50},
		"delete-before response":         &DeleteBeforeResponse{Epoch: 3, Start: 1 << 50, HighWatermark: 1<<50 + 7},
		"refused delete-before response": &DeleteBeforeResponse{Code: OffsetRange, Detail: "beyond", Start: 5, HighWatermark: 9},
	}
}

// fresh is a zero message of the same type.
func fresh(m message) message {
	switch m.(type) {
	case *AppendRequest:
		return new(AppendRequest)
	case *AppendResponse:
		return new(AppendResponse)
	case *FetchRequest:
		return new(FetchRequest)
	case *FetchResponse:
		return new(FetchResponse)
	case *StreamRequest:
		return new(StreamRequest)
	case *FramesRequest:
		return new(FramesRequest)
	case *FramesResponse:
		return new(FramesResponse)
	case *StreamResponse:
		return new(StreamResponse)
	case *ProduceRequest:
		return new(ProduceRequest)
	case *ProduceResponse:
		return new(ProduceResponse)
	case *GetRequest:
		return new(GetRequest)
	case *GetResponse:
		return new(GetResponse)
	case *DeleteBeforeRequest:
		return new(DeleteBeforeRequest)
	default:
		return new(DeleteBeforeResponse)
	}
}

// equal treats no elements as an empty slice, but tells a value that is null from one that is empty.
func equal(x, y any) string {
	value := func(p cmp.Path) bool { return p.Last().String() == ".Value" }
	return cmp.Diff(x, y, cmp.FilterPath(func(p cmp.Path) bool { return !value(p) }, cmpopts.EquateEmpty()))
}

func TestMessagesSurviveTheWire(t *testing.T) {
	for name, m := range samples() {
		t.Run(name, func(t *testing.T) {
			b := m.AppendTo([]byte("before"))
			got := fresh(m)
			if err := got.Decode(b[len("before"):]); err != nil {
				t.Fatal(err)
			}
			if diff := equal(m, got); diff != "" {
				t.Errorf("decoded message differs (-sent +got):\n%s", diff)
			}
		})
	}
}

// A message that was decoded before must leave nothing behind in the one that is decoded into it.
func TestDecodeIntoAUsedMessage(t *testing.T) {
	for name, m := range samples() {
		for before, used := range samples() {
			if cmp.Equal(fresh(m), fresh(used)) == false {
				continue
			}
			t.Run(before+" then "+name, func(t *testing.T) {
				if err := used.Decode(m.AppendTo(nil)); err != nil {
					t.Fatal(err)
				}
				if diff := equal(m, used); diff != "" {
					t.Errorf("decoded message differs (-sent +got):\n%s", diff)
				}
			})
		}
	}
}

func TestEveryPrefixIsRefused(t *testing.T) {
	for name, m := range samples() {
		b := m.AppendTo(nil)
		for n := range b {
			if err := fresh(m).Decode(b[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes were accepted", name, n, len(b))
			}
		}
		if err := fresh(m).Decode(append(b, 0)); err == nil {
			t.Errorf("%s: a trailing byte was accepted", name)
		}
	}
}

func TestPackedRequestIsAnAppendRequest(t *testing.T) {
	want := samples()["append request"].(*AppendRequest)
	packed := PackedRequest{Producer: want.Producer, ProducerEpoch: want.ProducerEpoch}
	for i := range want.Appends {
		a := &want.Appends[i]
		packed.Appends = append(packed.Appends, PackedAppend{Sequence: a.Sequence, Since: a.Since, Body: a.Pack(nil)})
	}
	if diff := cmp.Diff(want.AppendTo(nil), packed.AppendTo(nil)); diff != "" {
		t.Errorf("encodings differ (-request +packed):\n%s", diff)
	}
}

func TestAppendRequestHeadersAreBounded(t *testing.T) {
	full := AppendRequest{Producer: 1<<64 - 1, ProducerEpoch: 1<<32 - 1, Appends: make([]Append, AppendsMax)}
	body := len((&Append{}).Pack(nil))
	for i := range full.Appends {
		full.Appends[i] = Append{Sequence: 1<<64 - 1, Since: 1<<64 - 1}
	}
	most := RequestHeaderBytesMax + AppendsMax*(AppendHeaderBytesMax+body)
	if got := len(full.AppendTo(nil)); got > most {
		t.Errorf("a request of %d bytes exceeds the bound of %d", got, most)
	}
}

func TestDetailIsCutNotRefused(t *testing.T) {
	for _, detail := range []string{strings.Repeat("ä", DetailBytesMax), "a\xffb"} {
		m := FetchResponse{Code: Internal, Detail: detail}
		var got FetchResponse
		if err := got.Decode(m.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		if len(got.Detail) > DetailBytesMax || len(got.Detail) < 2 {
			t.Errorf("detail of %d bytes arrived with %d", len(detail), len(got.Detail))
		}
	}
}

func TestDecodeAllocatesNothingOnceItHasGrown(t *testing.T) {
	for _, name := range []string{"append request", "produce request", "get request", "get response"} {
		b := samples()[name].AppendTo(nil)
		m := fresh(samples()[name])
		if allocs := testing.AllocsPerRun(100, func() {
			if err := m.Decode(b); err != nil {
				t.Fatal(err)
			}
		}); allocs != 0 {
			t.Errorf("%s: %v allocations a message", name, allocs)
		}
	}
}
