package segment_test

import (
	"bytes"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
)

func TestReadIntoUsesMemoryAgain(t *testing.T) {
	l := open(t, segment.Config{Dir: t.TempDir()}, 0, segment.Place{})
	appendAll(t, l, newSource().batches(200)...)
	var scratch []byte
	read := func(offset int64) {
		want, err := l.Read(offset, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.ReadInto(&scratch, offset, 1<<20); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("from %d: %d bytes, %v; want %d", offset, len(got), err, len(want))
		}
	}
	for offset := range l.Next() {
		read(offset)
	}
	if n := testing.AllocsPerRun(20, func() {
		if _, err := l.ReadInto(&scratch, 0, 1<<20); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
