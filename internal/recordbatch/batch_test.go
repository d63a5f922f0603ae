package recordbatch_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/internal/recordbatch"
)

// seal makes the checksum of a batch right again after a test has changed its bytes.
func seal(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// header is a header as tests compare it.
type header struct {
	Key   string
	Value []byte
}

// record is a record as tests compare it: decoded to the end, nil and empty kept apart.
type record struct {
	Offset, Timestamp int64
	Key, Value        []byte
	Headers           []header
}

func headersOf(h recordbatch.Headers) (out []header) {
	for k, v := range h.All() {
		out = append(out, header{string(k), v})
	}
	return out
}

func recordsOf(t rapid.TB, b recordbatch.Batch) (out []record) {
	t.Helper()
	for r, err := range b.Records() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, record{r.Offset, r.Timestamp, r.Key, r.Value, headersOf(r.Headers)})
	}
	return out
}

func encodeHeaders(headers []header) (raw []byte) {
	for _, h := range headers {
		raw = recordbatch.AppendHeader(raw, h.Key, h.Value)
	}
	return raw
}

// build makes a batch of the records; their offsets are ignored.
func build(base, baseTimestamp int64, epoch int32, records ...record) []byte {
	var b recordbatch.Builder
	b.Reset(base, baseTimestamp, epoch)
	for _, r := range records {
		b.Append(recordbatch.Entry{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeaderCount: len(r.Headers), Headers: encodeHeaders(r.Headers)})
	}
	return b.AppendTo(nil)
}

// sample has every shape a field can take.
func sample() []record {
	return []record{
		{100, 5000, []byte("account-alice"), []byte(`{"amount":100}`), []header{{"id", []byte("0123456789abcdef")}, {"type", []byte("account.deposited")}}},
		{101, 4990, nil, nil, nil},
		{102, 5000 + 1<<40, []byte{}, []byte{}, []header{{"", nil}, {"", []byte{}}, {"tag", []byte("x")}, {"tag", []byte("y")}}},
		{103, math.MinInt64, []byte("k"), make([]byte, 300), nil},
	}
}

func TestParseReadsWhatBuilderMade(t *testing.T) {
	want := sample()
	raw := build(100, 5000, 7, want...)
	batch, rest, err := recordbatch.Parse(append(raw, "rest"...))
	if err != nil {
		t.Fatal(err)
	}
	if string(rest) != "rest" {
		t.Errorf("rest = %q", rest)
	}
	info := recordbatch.Info{BaseOffset: 100, Length: len(raw), LastOffsetDelta: 3, Count: 4, BaseTimestamp: 5000, MaxTimestamp: 5000 + 1<<40, LeaderEpoch: 7,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
	if diff := cmp.Diff(info, batch.Info()); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	if next := batch.Info().Next(); next != 104 {
		t.Errorf("next = %d", next)
	}
	if diff := cmp.Diff(raw, batch.Bytes()); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, recordsOf(t, batch)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestRecordsStopAtBreak(t *testing.T) {
	batch, _, err := recordbatch.Parse(build(0, 0, 0, sample()...))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, err := range batch.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Errorf("saw %d records", seen)
	}
}

func TestZeroBatchHoldsNothing(t *testing.T) {
	for _, err := range (recordbatch.Batch{}).Records() {
		t.Errorf("a zero batch yielded something: %v", err)
	}
}

func TestAppendTimeBatchHasOneTimestamp(t *testing.T) {
	raw := build(0, 5000, 0, sample()[:2]...)
	raw[22] = 1 << 3
	batch, _, err := recordbatch.Parse(seal(raw))
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range batch.Records() {
		if err != nil || r.Timestamp != 5000 {
			t.Errorf("record %d has timestamp %d (error %v), want the batch's 5000", r.Offset, r.Timestamp, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	be := binary.BigEndian
	tests := []struct {
		name string
		edit func(b []byte) []byte
		want error
		pos  int
	}{
		{"nothing", func([]byte) []byte { return nil }, recordbatch.ErrShort, 0},
		{"half a header", func(b []byte) []byte { return b[:60] }, recordbatch.ErrShort, 60},
		{"a header alone", func(b []byte) []byte { return b[:61] }, recordbatch.ErrShort, 61},
		{"all but a byte", func(b []byte) []byte { return b[:len(b)-1] }, recordbatch.ErrShort, -1},
		{"old magic", func(b []byte) []byte { b[16] = 1; return seal(b) }, recordbatch.ErrUnsupported, 16},
		{"old magic, cut off", func(b []byte) []byte { b[16] = 0; return b[:20] }, recordbatch.ErrUnsupported, 16},
		{"gzip", func(b []byte) []byte { b[22] = 1; return seal(b) }, recordbatch.ErrUnsupported, 21},
		{"a codec that nobody knows", func(b []byte) []byte { b[22] = 5; return seal(b) }, recordbatch.ErrUnsupported, 21},
		{"transactional", func(b []byte) []byte { b[22] = 1 << 4; return seal(b) }, recordbatch.ErrUnsupported, 21},
		{"control", func(b []byte) []byte { b[22] = 1 << 5; return seal(b) }, recordbatch.ErrUnsupported, 21},
		{"length of less than a header", func(b []byte) []byte { be.PutUint32(b[8:], 48); return b }, recordbatch.ErrCorrupt, 57},
		{"negative length", func(b []byte) []byte { be.PutUint32(b[8:], math.MaxUint32); return b }, recordbatch.ErrCorrupt, 57},
		{"length of 2 GiB", func(b []byte) []byte { be.PutUint32(b[8:], math.MaxInt32); return b }, recordbatch.ErrShort, -1},
		{"no records", func(b []byte) []byte { be.PutUint32(b[57:], 0); be.PutUint32(b[23:], math.MaxUint32); return seal(b) }, recordbatch.ErrCorrupt, 57},
		{"2 billion records", func(b []byte) []byte {
			be.PutUint32(b[57:], math.MaxInt32)
			be.PutUint32(b[23:], math.MaxInt32-1)
			return seal(b)
		}, recordbatch.ErrCorrupt, 57},
		{"sparse offsets", func(b []byte) []byte { be.PutUint32(b[23:], 4); return seal(b) }, recordbatch.ErrCorrupt, 23},
		{"negative base offset", func(b []byte) []byte { be.PutUint64(b, math.MaxUint64); return b }, recordbatch.ErrCorrupt, 0},
		{"base offset at the end of numbers", func(b []byte) []byte { be.PutUint64(b, math.MaxInt64-3); return b }, recordbatch.ErrCorrupt, 0},
		{"wrong checksum", func(b []byte) []byte { b[17] ^= 1; return b }, recordbatch.ErrCorrupt, 17},
		{"a flipped bit in the last record", func(b []byte) []byte { b[len(b)-2] ^= 0x10; return b }, recordbatch.ErrCorrupt, 17},
		{"a flipped bit in the base timestamp", func(b []byte) []byte { b[30] ^= 1; return b }, recordbatch.ErrCorrupt, 17},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := recordbatch.Parse(tt.edit(build(9, 0, 0, sample()...)))
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			e, ok := errors.AsType[*recordbatch.FormatError](err)
			if !ok || tt.pos >= 0 && e.Pos != tt.pos {
				t.Errorf("error %v, want one at byte %d", err, tt.pos)
			}
		})
	}
}

func TestRecordsRefuse(t *testing.T) {
	one := record{Key: []byte("k"), Value: []byte("v"), Headers: []header{{"h", []byte("x")}}}
	// The record: length 10, attributes, timestamp 0, offset 0, 1 "k", 1 "v", 1 header, 1 "h", 1 "x".
	const body = recordbatch.HeaderBytes
	tests := []struct {
		name string
		edit func(b []byte) []byte
		pos  int
	}{
		{"wrong offset", func(b []byte) []byte { b[body+3] = 2; return b }, body},
		{"record longer than the batch", func(b []byte) []byte { b[body] += 2; return b }, body + 1},
		{"record shorter than a record", func(b []byte) []byte { b[body] = 2 * 5; return b }, body},
		{"negative record length", func(b []byte) []byte { b[body] = 1; return b }, body},
		{"key reaches beyond the record", func(b []byte) []byte { b[body+4] = 2 * 60; return b }, body + 1},
		{"key length below null", func(b []byte) []byte { b[body+4] = 3; return b }, body + 1},
		{"value reaches beyond the record", func(b []byte) []byte { b[body+6] = 2 * 60; return b }, body + 1},
		{"more headers than there are", func(b []byte) []byte { b[body+8] = 4; return b }, body + 13},
		{"fewer headers than there are", func(b []byte) []byte { b[body+8] = 0; return b }, body + 9},
		{"negative header count", func(b []byte) []byte { b[body+8] = 1; return b }, body + 9},
		{"null header key", func(b []byte) []byte { b[body+9] = 1; return b }, body + 9},
		{"bytes behind the last record", func(b []byte) []byte {
			b = append(b, 0)
			binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
			return b
		}, body + 13},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			batch, _, err := recordbatch.Parse(seal(tt.edit(build(0, 0, 0, one))))
			if err != nil {
				t.Fatal(err)
			}
			var last error
			for _, err := range batch.Records() {
				if last != nil {
					t.Error("the sequence went on after its error")
				}
				last = err
			}
			e, ok := errors.AsType[*recordbatch.FormatError](last)
			if !ok || !errors.Is(last, recordbatch.ErrCorrupt) || e.Pos != tt.pos {
				t.Errorf("error %v, want ErrCorrupt at byte %d", last, tt.pos)
			}
		})
	}
}

func TestErrorNamesThePlace(t *testing.T) {
	raw := build(0, 0, 0, sample()...)
	raw[17], raw[18], raw[19], raw[20] = 0, 0, 0, 0
	_, _, err := recordbatch.Parse(raw)
	if got, want := fmt.Sprint(err), fmt.Sprintf("recordbatch: damaged: at byte 17: checksum 00000000, computed %08x", crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli))); got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}
