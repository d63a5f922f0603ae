package recordbatch_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/internal/recordbatch"
)

func TestHeaders(t *testing.T) {
	want := []header{{"id", []byte{1, 2}}, {"tag", []byte("x")}, {"tag", []byte("y")}, {"null", nil}, {"", []byte{}}}
	raw := encodeHeaders(want)
	h, err := recordbatch.ParseHeaders(raw, len(want))
	if err != nil {
		t.Fatal(err)
	}
	if h.Len() != len(want) {
		t.Errorf("%d headers, want %d", h.Len(), len(want))
	}
	if diff := cmp.Diff(want, headersOf(h)); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(raw, h.Raw()); diff != "" {
		t.Errorf("raw (-want +got):\n%s", diff)
	}
	for range h.All() {
		break
	}
	for _, tt := range []struct {
		key   string
		value []byte
		ok    bool
	}{{"id", []byte{1, 2}, true}, {"tag", []byte("x"), true}, {"null", nil, true}, {"", []byte{}, true}, {"ta", nil, false}, {"tags", nil, false}} {
		if value, ok := h.Get(tt.key); ok != tt.ok || !cmp.Equal(value, tt.value) {
			t.Errorf("get %q = %q, %t; want %q, %t", tt.key, value, ok, tt.value, tt.ok)
		}
	}
	if _, ok := (recordbatch.Headers{}).Get("id"); ok {
		t.Error("the zero Headers have an id")
	}
}

func TestValidateHeadersRefuses(t *testing.T) {
	two := encodeHeaders([]header{{"a", []byte("b")}, {"c", nil}})
	tests := []struct {
		name  string
		raw   []byte
		count int
		pos   int
	}{
		{"a header too few", two, 1, 4},
		{"a header too many", two, 3, 7},
		{"headers without any", two, 0, 0},
		{"negative count", nil, -1, 0},
		{"a cut-off value", two[:3], 1, 0},
		{"a cut-off key", two[:1], 1, 0},
		{"a null key", []byte{1, 0}, 1, 0},
		{"a key length below null", []byte{3, 0}, 1, 0},
		{"a value length below null", []byte{0, 3}, 1, 0},
		{"a key of 2 GiB", []byte{0xfe, 0xff, 0xff, 0xff, 0x0f}, 1, 0},
		{"a length of six bytes", []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 1}, 1, 0},
		{"a length beyond 32 bits", []byte{0x80, 0x80, 0x80, 0x80, 0x7f, 1}, 1, 0},
		{"an endless length", []byte{0x80, 0x80}, 1, 0},
		{"2 billion headers", nil, 1<<31 - 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := recordbatch.ValidateHeaders(tt.raw, tt.count)
			if e, ok := errors.AsType[*recordbatch.FormatError](err); !ok || !errors.Is(err, recordbatch.ErrCorrupt) || e.Pos != tt.pos {
				t.Errorf("error %v, want ErrCorrupt at byte %d", err, tt.pos)
			}
		})
	}
	if err := recordbatch.ValidateHeaders(two, 2); err != nil {
		t.Error(err)
	}
	if err := recordbatch.ValidateHeaders(nil, 0); err != nil {
		t.Error(err)
	}
}
