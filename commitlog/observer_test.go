package commitlog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// diary is an Observer that keeps what it is told.
type diary struct {
	mu      sync.Mutex
	sends   []SendInfo
	sent    []error
	fetches []FetchInfo
	fetched []FetchResult
}

func (d *diary) SendStart(ctx context.Context, s SendInfo) (context.Context, func(SendResult)) {
	d.note(func() { d.sends = append(d.sends, s) })
	return ctx, func(r SendResult) { d.note(func() { d.sent = append(d.sent, r.Err) }) }
}

func (d *diary) FetchStart(ctx context.Context, f FetchInfo) (context.Context, func(FetchResult)) {
	d.note(func() { d.fetches = append(d.fetches, f) })
	return ctx, func(r FetchResult) { d.note(func() { d.fetched = append(d.fetched, r) }) }
}

func (d *diary) note(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
}

func TestAnObserverIsToldOfAppends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told diary
		c, topic := newBroker(1).connect(t, Config{Observer: &told})
		if _, err := c.Append(t.Context(), topic, one("account-alice", NoStream)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Append(t.Context(), topic, Append{}); !errors.Is(err, ErrInvalid) {
			t.Fatalf("an append of nothing: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Append(t.Context(), topic, one("account-alice", Any)); !errors.Is(err, ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
		if len(told.sends) != 2 || told.sends[0].Topic != "events" || told.sends[0].Records != 1 || told.sends[0].Bytes == 0 {
			t.Errorf("told of %+v, want one record and then another", told.sends)
		}
		if len(told.sent) != 2 || told.sent[0] != nil || !errors.Is(told.sent[1], ErrClosed) {
			t.Errorf("told of the outcomes %v, want nil and ErrClosed", told.sent)
		}
	})
}

func TestAnObserverIsToldOfFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told diary
		b := newBroker(1)
		b.fetch = newPartitionLog(3, 1, 4).fetch
		c, topic := b.connect(t, Config{Observer: &told})
		if _, err := offsets(t.Context(), c, topic, Range{}); err != nil {
			t.Fatal(err)
		}
		want := []FetchInfo{{Topic: "events", Partition: 1}, {Topic: "events", Partition: 1, Offset: 4}}
		if diff := cmp.Diff(want, told.fetches); diff != "" {
			t.Errorf("fetches (-want +got):\n%s", diff)
		}
		if len(told.fetched) != 2 || told.fetched[0].Records != 4 || told.fetched[1].Records != 4 || told.fetched[0].Bytes == 0 {
			t.Errorf("told of %+v, want four records and four more", told.fetched)
		}
	})
}

func TestAnObserverIsToldOfBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told diary
		c, topic := newPlainBroker(1).connect(t, Config{Observer: &told})
		p, err := c.Producer(t.Context(), topic, ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := p.Deliver(t.Context(), Message{Key: []byte("alice"), Value: []byte("hello")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		records := 0
		for _, s := range told.sends {
			records += s.Records
		}
		if records != 3 || len(told.sent) != len(told.sends) || errors.Join(told.sent...) != nil {
			t.Errorf("told of %+v and of the outcomes %v, want three records without an error", told.sends, told.sent)
		}
	})
}
