package recordbatch_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/internal/recordbatch"
)

func TestBuilderTellsPlaces(t *testing.T) {
	type place struct{ pos, length int }
	var b recordbatch.Builder
	b.Reset(100, 5000, 7)
	var told []place
	for i, r := range sample() {
		pos, length := b.Append(recordbatch.Entry{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeaderCount: len(r.Headers), Headers: encodeHeaders(r.Headers)})
		told = append(told, place{pos, length})
		if b.Count() != i+1 || b.Len() != len(b.AppendTo(nil)) || b.Len() != pos+length {
			t.Errorf("after record %d: count %d, length %d of %d", i, b.Count(), b.Len(), len(b.AppendTo(nil)))
		}
	}
	raw := b.AppendTo(nil)
	batch, _, err := recordbatch.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	var found []place
	for r, err := range batch.Records() {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, place{r.Pos, r.Len})
		key, value, h, n, err := recordbatch.DecodeRecord(raw[r.Pos:])
		if err != nil || n != r.Len || !bytes.Equal(key, r.Key) || !bytes.Equal(value, r.Value) || !cmp.Equal(headersOf(h), headersOf(r.Headers)) {
			t.Errorf("record %d cut out of its batch: %q = %q, %d bytes of %d, error %v", r.Offset, key, value, n, r.Len, err)
		}
	}
	if diff := cmp.Diff(told, found, cmp.AllowUnexported(place{})); diff != "" {
		t.Errorf("places (-told +found):\n%s", diff)
	}
}

func TestBuilderGoesOnAfterAppendTo(t *testing.T) {
	var b recordbatch.Builder
	b.Reset(7, 0, 1)
	b.Append(recordbatch.Entry{Key: []byte("a")})
	first := b.AppendTo([]byte("before"))
	b.Append(recordbatch.Entry{Key: []byte("b"), Timestamp: 9})
	both := b.AppendTo(nil)
	if want := build(7, 0, 1, record{Key: []byte("a")}); !bytes.Equal(first, append([]byte("before"), want...)) {
		t.Error("the first batch is not the one that holds the first record alone")
	}
	if want := build(7, 0, 1, record{Key: []byte("a")}, record{Key: []byte("b"), Timestamp: 9}); !bytes.Equal(both, want) {
		t.Error("the second batch does not hold both records")
	}
}

func TestBuilderForgetsAtReset(t *testing.T) {
	var used, fresh recordbatch.Builder
	used.Reset(1, 2, 3)
	used.Append(recordbatch.Entry{Timestamp: 1 << 50, Key: []byte("old"), Value: make([]byte, 1000)})
	used.AppendTo(nil)
	used.Reset(4, 5, 6)
	if used.Count() != 0 || used.Len() != 0 || len(used.AppendTo(nil)) != 0 {
		t.Errorf("after Reset: count %d, length %d", used.Count(), used.Len())
	}
	fresh.Reset(4, 5, 6)
	for _, b := range []*recordbatch.Builder{&used, &fresh} {
		b.Append(recordbatch.Entry{Timestamp: -1, Key: []byte("new")})
	}
	if !bytes.Equal(used.AppendTo(nil), fresh.AppendTo(nil)) {
		t.Error("a batch differs after the builder was used")
	}
}
