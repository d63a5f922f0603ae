package index

import (
	"fmt"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
)

func TestSweepDeletesOnlyDeadHeads(t *testing.T) {
	db, err := Open(t.TempDir(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	const keys = 10_500
	tail := NewTail()
	for i := range int64(keys) {
		for p := range int32(2) {
			e := Entry{Partition: p, Stream: fmt.Sprintf("key-%d", i), Version: i + 1, Pointer: Pointer{Offset: i, Place: segment.Place{}}}
			if err := tail.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Apply(tail, nil, markOf(1)); err != nil {
		t.Fatal(err)
	}
	const dead = keys - 300
	if err := db.Sweep(0, dead); err != nil {
		t.Fatal(err)
	}
	for i := range int64(keys) {
		for p := range int32(2) {
			want := i + 1
			if p == 0 && want <= dead {
				want = 0
			}
			if got, err := db.Head(p, fmt.Sprintf("key-%d", i)); err != nil || got != want {
				t.Fatalf("partition %d key %d: head %d, %v, want %d", p, i, got, err, want)
			}
		}
	}
}
