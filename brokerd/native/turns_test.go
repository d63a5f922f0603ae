package native

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestTurnsOfOneClientDoNotHoldUpAnother(t *testing.T) {
	all := turns{clients: map[string]*clientTurns{}}
	var releases []func()
	take := func(ctx context.Context, reply string) error {
		release, err := all.take(ctx, reply)
		if err == nil {
			releases = append(releases, release)
		}
		return err
	}
	for range turnsMax {
		if err := take(t.Context(), "_INBOX.a.1"); err != nil {
			t.Fatal(err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := take(over, "_INBOX.a.2"); !errors.Is(err, context.Canceled) {
		t.Errorf("one more of the same client: %v", err)
	}
	if err := take(t.Context(), "_INBOX.b.1"); err != nil {
		t.Errorf("another client: %v", err)
	}
	for _, release := range releases {
		release()
	}
	if len(all.clients) > 0 {
		t.Errorf("%d clients are remembered for nothing", len(all.clients))
	}
}

func TestUnreadAnswersAreBounded(t *testing.T) {
	waiting := int64(0)
	measured := 0
	u := unread{bytesMax: 100, measure: func(time.Time) int64 { measured++; return waiting }}
	for range 10 {
		if !u.tryTake(10) {
			t.Fatal("there is room")
		}
	}
	if measured > 0 {
		t.Errorf("it was measured %d times while there was room", measured)
	}
	waiting = 95
	if u.tryTake(10) {
		t.Error("105 bytes may wait")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.take(over, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for room: %v", err)
	}
	waiting = 0
	if !u.tryTake(1000) {
		t.Error("an answer that is larger than the bound is never sent")
	}
}
