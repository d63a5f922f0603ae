package index

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strandlog/strand/brokerd/segment"
)

func TestPointersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Int64Min(0).Draw(t, "offset")
		p := Pointer{
			Offset:    offset,
			Timestamp: rapid.Int64().Draw(t, "timestamp"),
			Place:     segment.Place{File: rapid.Int64Range(0, offset).Draw(t, "file"), Pos: rapid.Int64Min(0).Draw(t, "pos")},
			Len:       rapid.Uint32().Draw(t, "len"),
			Sum:       rapid.Uint32().Draw(t, "sum"),
		}
		got, err := decodePointer(appendPointer(nil, p))
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// Every decoder refuses what its encoder does not write: what decodes encodes to the same bytes.

func FuzzPointer(f *testing.F) {
	f.Add(appendPointer(nil, Pointer{}))
	f.Add(appendPointer(nil, pointerOf(1)))
	f.Add(appendPointer(nil, Pointer{Offset: 1<<63 - 1, Timestamp: -1, Place: segment.Place{File: 1<<63 - 1, Pos: 1<<63 - 1}, Len: 1<<32 - 1, Sum: 1<<32 - 1}))
	f.Add([]byte{0x80, 0x00, 0, 0, 0, 0, 1, 2, 3, 4}) // not in its shortest form
	f.Add([]byte{1, 0, 2, 0, 0, 1, 2, 3, 4})          // in a file that begins below offset 0
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePointer(b)
		if err != nil {
			return
		}
		e := Entry{Stream: "a", Version: 1, Pointer: p}
		if err := e.check(); err != nil {
			t.Errorf("decoded from %x: %v", b, err)
		}
		if again := appendPointer(nil, p); !bytes.Equal(b, again) {
			t.Errorf("%x decodes to %+v, which encodes to %x", b, p, again)
		}
	})
}

func FuzzHead(f *testing.F) {
	f.Add(appendHead(nil, 1))
	f.Add(appendHead(nil, 1<<63-1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, b []byte) {
		version, err := decodeHead(b)
		if again := appendHead(nil, version); err == nil && (!bytes.Equal(b, again) || version < 0) {
			t.Errorf("%x decodes to %d, which encodes to %x", b, version, again)
		}
	})
}

func FuzzCommand(f *testing.F) {
	f.Add(appendCommand(nil, 1, 1))
	f.Add(appendCommand(nil, 1<<63-1, 1<<31-1))
	f.Add(appendCommand(nil, 1, 1)[:1])
	f.Fuzz(func(t *testing.T, b []byte) {
		first, count, err := decodeCommand(b)
		if again := appendCommand(nil, first, count); err == nil && (!bytes.Equal(b, again) || first < 0 || count < 0) {
			t.Errorf("%x decodes to %d and %d, which encode to %x", b, first, count, again)
		}
	})
}

func FuzzWatermark(f *testing.F) {
	for _, w := range []Watermark{{}, markOf(1), {Partitions: []PartitionMark{{Next: -1}}}} {
		f.Add(w.encode())
		f.Add(w.encode()[1:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := decodeWatermark(b)
		if err != nil {
			return
		}
		if again := w.encode(); !bytes.Equal(b, again) {
			t.Errorf("%x decodes to %+v, which encodes to %x", b, w, again)
		}
	})
}
