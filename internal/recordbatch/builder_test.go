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

func TestBuilderInBorrowedMemory(t *testing.T) {
	var b recordbatch.Builder
	small, large := make([]byte, 100), make([]byte, 1000)
	if had := b.Use(small); had != nil {
		t.Errorf("a fresh builder had %d bytes", cap(had))
	}
	b.Reset(7, 0, 1)
	b.Append(recordbatch.Entry{Key: []byte("a")})
	if had := b.Use(large); &had[:1][0] != &small[0] {
		t.Error("the builder left other memory than it was given")
	}
	b.Append(recordbatch.Entry{Key: []byte("b")})
	got := b.Bytes()
	if &got[0] != &large[0] {
		t.Error("the batch was made in other memory")
	}
	if want := build(7, 0, 1, record{Key: []byte("a")}, record{Key: []byte("b")}); !bytes.Equal(got, want) || !bytes.Equal(b.AppendTo(nil), want) {
		t.Errorf("the batch is %x, want %x", got, want)
	}
	b.Reset(0, 0, 0)
	if b.Bytes() != nil {
		t.Error("an empty batch has bytes")
	}
}
