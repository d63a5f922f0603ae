package index

import (
	"errors"
	"sync"
	"testing"
)

// TestCloseDuringLookups closes an index that is being read, written and flushed: every call either succeeds or is told that it came too late.
func TestCloseDuringLookups(t *testing.T) {
	db := open(t, t.TempDir())
	s := newScript(1, 100)
	s.play(t, db)
	tail, producers, w := s.next(t)
	var calls sync.WaitGroup
	begun := make(chan struct{}, 4)
	until := func(call func() error) {
		calls.Go(func() {
			for i := 0; ; i++ {
				err := call()
				if i == 0 {
					begun <- struct{}{}
				}
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	until(func() error { _, err := db.Head(0, streamName(0)); return err })
	until(func() error {
		return db.Stream(0, streamName(0), 1, func(int64, Pointer) bool { return true })
	})
	until(func() error { return db.Apply(tail, producers, w) })
	until(func() error { _, _, err := db.Watermark(); return err })
	for range cap(begun) {
		<-begun
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	calls.Wait()
}
