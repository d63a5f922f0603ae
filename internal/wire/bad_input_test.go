package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func oneAppend(change func(*Append)) []byte {
	a := Append{Sequence: 1, Writes: []Write{{Stream: []byte("s"), Events: []Event{{ID: uuid.Max}}}}}
	change(&a)
	return (&AppendRequest{Producer: 1, Appends: []Append{a}}).AppendTo(nil)
}

func TestLimits(t *testing.T) {
	long := func(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }
	tests := []struct {
		name  string
		m     message
		b     []byte
		field string
	}{
		{"other version", new(FetchRequest), []byte{2}, "version"},
		{"nothing", new(FetchRequest), nil, "version"},
		{"producer 0", new(AppendRequest), (&AppendRequest{}).AppendTo(nil), "producer"},
		{"sequence 0", new(AppendRequest), oneAppend(func(a *Append) { a.Sequence = 0 }), "sequence"},
		{"since beyond 64 bits", new(AppendRequest), append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1}, bytes.Repeat([]byte{0xff}, 11)...), "since"},
		{"expected", new(AppendRequest), oneAppend(func(a *Append) { a.Writes[0].Expected = -3 }), "expected"},
		{"stream", new(AppendRequest), oneAppend(func(a *Append) { a.Writes[0].Stream = long(StreamBytesMax + 1) }), "stream"},
		{"command id", new(AppendRequest), oneAppend(func(a *Append) { a.Writes[0].CommandID = long(CommandBytesMax + 1) }), "command id"},
		{"value", new(AppendRequest), oneAppend(func(a *Append) { a.Writes[0].Events[0].Value = long(RecordBytesMax + 1) }), "value"},
		{"headers", new(AppendRequest), oneAppend(func(a *Append) {
			a.Writes[0].Events[0].HeaderCount, a.Writes[0].Events[0].Headers = 1, long(HeadersBytesMax+1)
		}), "headers"},
		{"more headers than bytes", new(AppendRequest), oneAppend(func(a *Append) {
			a.Writes[0].Events[0].HeaderCount, a.Writes[0].Events[0].Headers = 3, long(5)
		}), "headers"},
		{"headers of no header", new(AppendRequest), oneAppend(func(a *Append) { a.Writes[0].Events[0].Headers = long(5) }), "headers"},
		{"writes", new(AppendRequest), oneAppend(func(a *Append) { a.Writes = make([]Write, WritesMax+1) }), "writes"},
		{"events", new(AppendRequest), oneAppend(func(a *Append) {
			a.Writes = []Write{{Events: make([]Event, EventsMax)}, {Events: make([]Event, 1)}}
		}), "events"},
		{"conditions", new(AppendRequest), oneAppend(func(a *Append) { a.Conditions = make([]Condition, ConditionsMax+1) }), "conditions"},
		{"types", new(AppendRequest), oneAppend(func(a *Append) { a.Conditions = []Condition{{Types: slices.Repeat([][]byte{{1}}, TermsMax+1)}} }), "condition types"},
		{"empty tag", new(AppendRequest), oneAppend(func(a *Append) { a.Conditions = []Condition{{Tags: make([][]byte, 1)}} }), "condition tags"},
		{"tag", new(AppendRequest), oneAppend(func(a *Append) { a.Conditions = []Condition{{Tags: [][]byte{long(TermBytesMax + 1)}}} }), "condition tags"},
		{"appends", new(AppendRequest), (&AppendRequest{Producer: 1, Appends: make([]Append, AppendsMax+1)}).AppendTo(nil), "appends"},
		{"append request", new(AppendRequest), long(AppendBytesMax + 1), "payload"},
		{"fetch response", new(FetchResponse), long(PayloadBytesMax + 1), "payload"},
		{"fetch request", new(FetchRequest), long(ReadRequestBytesMax + 1), "payload"},
		{"results", new(AppendResponse), (&AppendResponse{Results: make([]AppendResult, AppendsMax+1)}).AppendTo(nil), "results"},
		{"neither true nor false", new(StreamRequest), []byte{1, 0, 0, 0, 0, 0, 2, 0, 0}, "strict"},
		{"number with a superfluous byte", new(FetchRequest), []byte{1, 0x80, 0, 0, 0, 0, 0, 0}, "partition"},
		{"number beyond 64 bits", new(FetchRequest), append([]byte{1}, bytes.Repeat([]byte{0xff}, 11)...), "partition"},
		{"partition beyond 31 bits", new(FetchRequest), binary.AppendUvarint([]byte{1}, 1<<31), "partition"},
		{"offset beyond 63 bits", new(FetchRequest), binary.AppendUvarint([]byte{1, 0}, 1<<63), "offset"},
		{"short record", new(StreamResponse), (&StreamResponse{Records: []StreamRecord{{Raw: long(6)}, {Raw: long(9)}}}).AppendTo(nil), "record"},
		{"produce request of producer 0", new(ProduceRequest), (&ProduceRequest{}).AppendTo(nil), "producer"},
		{"batch since beyond 64 bits", new(ProduceRequest), append([]byte{1, 1, 1, 0}, bytes.Repeat([]byte{0xff}, 11)...), "since"},
		{"batch since, with a superfluous byte", new(ProduceRequest), []byte{1, 1, 1, 0, 0x81, 0, 0, 0, 0}, "since"},
		{"batches", new(ProduceRequest), (&ProduceRequest{Producer: 1, Batches: make([]ProduceBatch, BatchesMax+1)}).AppendTo(nil), "batches"},
		{"batch", new(ProduceRequest), append(binary.AppendUvarint([]byte{1, 1, 1, 0, 1, 0}, AppendBytesMax+1), 0), "batch"},
		{"unchanged keys", new(ProduceRequest), (&ProduceRequest{Producer: 1, Batches: []ProduceBatch{{Unchanged: make([]Unchanged, UnchangedMax+1)}}}).AppendTo(nil), "unchanged"},
		{"unchanged key", new(ProduceRequest), (&ProduceRequest{Producer: 1, Batches: []ProduceBatch{{Unchanged: []Unchanged{{Key: long(StreamBytesMax + 1)}}}}}).AppendTo(nil), "unchanged key"},
		{"produce request", new(ProduceRequest), long(AppendBytesMax + 1), "payload"},
		{"produce results", new(ProduceResponse), (&ProduceResponse{Results: make([]ProduceResult, BatchesMax+1)}).AppendTo(nil), "results"},
		{"duplicate that is neither true nor false", new(ProduceResponse), []byte{1, 0, 0, 0, 1, 0, 2, 0, 0}, "duplicate"},
		{"base offset beyond 63 bits", new(ProduceResponse), append(binary.AppendUvarint([]byte{1, 0, 0, 0, 1, 0, 0}, 1<<63), 0), "base offset"},
		{"produce response", new(ProduceResponse), long(PayloadBytesMax + 1), "payload"},
		{"key", new(GetRequest), (&GetRequest{Key: long(StreamBytesMax + 1)}).AppendTo(nil), "key"},
		{"get that is neither strict nor not", new(GetRequest), []byte{1, 0, 0, 2, 0, 0}, "strict"},
		{"get request", new(GetRequest), long(ReadRequestBytesMax + 1), "payload"},
		{"short record of a key", new(GetResponse), (&GetResponse{Record: long(6)}).AppendTo(nil), "record"},
		{"delete-before request", new(DeleteBeforeRequest), long(ReadRequestBytesMax + 1), "payload"},
		{"negative offset to delete before", new(DeleteBeforeRequest), (&DeleteBeforeRequest{Offset: -1}).AppendTo(nil), "offset"},
		{"start beyond 63 bits", new(DeleteBeforeResponse), append(binary.AppendUvarint([]byte{1, 0, 0, 0}, 1<<63), 0), "start"},
		{"detail", new(FetchResponse), []byte{1, 0, 1, 0xff, 0, 0, 0, 0}, "detail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.m.Decode(tt.b)
			decodeErr, ok := errors.AsType[*DecodeError](err)
			if !ok || decodeErr.Field != tt.field {
				t.Fatalf("got %v, want a DecodeError of %s", err, tt.field)
			}
			if !strings.Contains(err.Error(), tt.field) {
				t.Errorf("%q does not name %s", err, tt.field)
			}
		})
	}
}

// A count or a length that is a lie must not cost memory.
func TestLengthBombs(t *testing.T) {
	huge := func(prefix ...byte) []byte { return binary.AppendUvarint(prefix, math.MaxUint64) }
	most := func(max uint64, prefix ...byte) []byte {
		return append(binary.AppendUvarint(prefix, max), make([]byte, 100)...)
	}
	request := []byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0}
	oneWrite := append(append([]byte{}, request...), 1, 1, 1, 1)
	bombs := []struct {
		name string
		m    message
		b    []byte
	}{
		{"appends", new(AppendRequest), huge(request...)},
		{"appends within the limit", new(AppendRequest), most(AppendsMax, request...)},
		{"writes within the limit", new(AppendRequest), most(WritesMax, append(request, 1, 1, 1)...)},
		{"stream", new(AppendRequest), huge(append(oneWrite, 0, 0)...)},
		{"events within the limit", new(AppendRequest), most(EventsMax, append(oneWrite, 0, 0, 1, 'x', 0)...)},
		{"results within the limit", new(AppendResponse), most(AppendsMax, 1, 0, 0, 0)},
		{"batches within the limit", new(FetchResponse), most(PayloadBytesMax, 1, 0, 0, 0, 0, 0)},
		{"produce batches", new(ProduceRequest), huge(1, 1)},
		{"produce batches within the limit", new(ProduceRequest), most(BatchesMax, 1, 1)},
		{"produce results within the limit", new(ProduceResponse), most(BatchesMax, 1, 0, 0, 0)},
		{"record of a key within the limit", new(GetResponse), most(PayloadBytesMax, 1, 0, 0, 0, 0, 0)},
		{"records within the limit", new(StreamResponse), most(PayloadBytesMax, 1, 0, 0, 0, 0)},
	}
	for _, bomb := range bombs {
		t.Run(bomb.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := bomb.m.Decode(bomb.b)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 16<<10 {
				t.Errorf("%d bytes of input took %d bytes of memory", len(bomb.b), n)
			}
		})
	}
}

// The worst that a well-formed message can do is bounded by a small multiple of its size.
func TestMemoryIsProportionalToTheMessage(t *testing.T) {
	terms := slices.Repeat([][]byte{[]byte("t")}, TermsMax)
	conditions := make([]Condition, ConditionsMax)
	for i := range conditions {
		conditions[i] = Condition{Types: terms, Tags: terms}
	}
	appends := make([]Append, AppendsMax)
	for i := range appends {
		appends[i] = Append{Sequence: 1, Writes: make([]Write, WritesMax), Conditions: conditions}
	}
	b := (&AppendRequest{Producer: 1, Appends: appends[:AppendsMax/4]}).AppendTo(nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := new(AppendRequest).Decode(b)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 24*uint64(len(b)) {
		t.Errorf("a message of %d bytes took %d bytes of memory", len(b), n)
	}
}
