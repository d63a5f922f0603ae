package index

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strandlog/strand/brokerd/segment"
)

func TestTailRefusesWhatItCannotIndex(t *testing.T) {
	tail := NewTail()
	add(t, tail, entry(0, "a-1", 3, ""))
	before := tail.Bytes()
	for name, e := range map[string]Entry{
		"no stream":          entry(0, "", 1, ""),
		"long stream":        entry(0, strings.Repeat("a", 256), 1, ""),
		"long command":       entry(0, "a-2", 1, strings.Repeat("c", 256)),
		"long type":          {Stream: "a-2", Version: 1, Type: bytes.Repeat([]byte("k"), 256)},
		"long tag":           {Stream: "a-2", Version: 1, Tags: [][]byte{[]byte("x"), bytes.Repeat([]byte("t"), 256)}},
		"empty tag":          {Stream: "a-2", Version: 1, Tags: [][]byte{{}}},
		"version 0":          entry(0, "a-2", 0, ""),
		"version again":      entry(0, "a-1", 3, ""),
		"version before":     entry(0, "a-1", 2, ""),
		"negative partition": entry(-1, "a-2", 1, ""),
		"negative offset":    {Stream: "a-2", Version: 1, Pointer: Pointer{Offset: -1}},
		"negative position":  {Stream: "a-2", Version: 1, Pointer: Pointer{Place: segment.Place{Pos: -1}}},
		"file of later ones": {Stream: "a-2", Version: 1, Pointer: Pointer{Offset: 4, Place: segment.Place{File: 5}}},
	} {
		if err := tail.Add(e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tail.Len() != 1 || tail.Head(0, "a-1") != 3 || tail.Head(0, "a-2") != 0 || tail.Bytes() != before {
		t.Errorf("refused entries left a trace: %d entries", tail.Len())
	}
	tail.Freeze()
	if err := tail.Add(entry(0, "a-1", 4, "")); !errors.Is(err, ErrFrozen) {
		t.Errorf("Add after Freeze: %v", err)
	}
}

func TestNamesOfAllLengths(t *testing.T) {
	tail := NewTail()
	for round := range int64(8) { // beyond one chunk of names
		for n := 1; n <= nameBytesMax; n++ {
			add(t, tail, entry(int32(round), strings.Repeat("x", n), 1, strings.Repeat("y", n)))
		}
	}
	for n := 1; n <= nameBytesMax; n++ {
		name := strings.Repeat("x", n)
		if tail.Head(7, name) != 1 || tail.Head(8, name) != 0 {
			t.Errorf("%d bytes: heads %d and %d", n, tail.Head(7, name), tail.Head(8, name))
		}
		if _, _, ok := tail.Command(7, name, strings.Repeat("y", n)); !ok {
			t.Errorf("%d bytes: command is missing", n)
		}
	}
}

// TestTailIsReadWhileItGrows lets readers check, while one goroutine adds, that whatever was added before they ask is there and whole.
func TestTailIsReadWhileItGrows(t *testing.T) {
	const streams, versions, events = 300, 7, 2 // 300 streams in turn, each append of 2 events under one command
	tail := NewTail()
	var done atomic.Int64 // appends added so far
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for n := int64(0); n < streams*versions; {
				n = done.Load()
				if n == 0 {
					continue
				}
				last := n - 1
				stream, want := streamName(int(last%streams)), (last/streams+1)*events
				if head := tail.Head(0, stream); head < want {
					t.Errorf("after append %d the head of %s is %d, want at least %d", n, stream, head, want)
					return
				}
				next := int64(1)
				tail.Stream(0, stream, 1, func(v int64, p Pointer) bool {
					if v != next || p != pointerOf(v) {
						t.Errorf("%s: version %d at %+v where %d is due", stream, v, p, next)
					}
					next++
					return true
				})
				if next <= want {
					t.Errorf("after append %d the newest of %s is %d, want at least %d", n, stream, next-1, want)
				}
				at, found, err := tail.Find(Query{Types: terms(tagged(last).Type), Tags: tagged(last).Tags}, new(Steps))
				if want := tagged(last).Offset; err != nil || !found || at < want {
					t.Errorf("after append %d its tags are found at %d, %t, %v; want %d or more", n, at, found, err, want)
					return
				}
				first, count, ok := tail.Command(0, stream, streamName(int(last/streams)))
				if !ok || first != want-events+1 || count != events {
					t.Errorf("after append %d its command on %s is %d, %d, %t; want %d", n, stream, first, count, ok, want-events+1)
					return
				}
			}
		})
	}
	for v := range int64(versions) {
		for s := range streams {
			for e := range int64(events) {
				if err := tail.Add(entry(0, streamName(s), v*events+e+1, streamName(int(v)))); err != nil {
					t.Fatal(err)
				}
			}
			if err := tail.Add(tagged(done.Load())); err != nil {
				t.Fatal(err)
			}
			done.Add(1)
		}
	}
	readers.Wait()
}

// tagged is the n-th entry of a stream of its own, with tags that come in many pairs.
func tagged(n int64) Entry {
	e := entry(1, "tagged", n+1, "")
	e.Partition = 0
	e.Offset = 1_000_000 + n
	e.Type = []byte(scriptTypes[1+n%2])
	e.Tags = terms([]byte(streamName(int(n%40))), []byte(streamName(int(n%3))))
	return e
}

func terms(t ...[]byte) [][]byte { return t }
