package eventstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestSinceReadsLittle(t *testing.T) {
	const events = 20000
	now := time.UnixMilli(0)
	reads := 0
	log := &hookedLog{Log: eventstore.NewMemoryAt(func() time.Time { return now }), records: func(commitlog.Record) { reads++ }}
	store, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, account)
	if err != nil {
		t.Fatal(err)
	}
	// What is older than asked for is not even decoded: its types need not be known.
	raw(t, log, "account-old", "account.closed", `{}`)
	for i := range events {
		now = now.Add(time.Second)
		mustAppend(t, store, "account-a", Deposited{i + 1})
	}
	for _, first := range []int{1, 2, 5000, 10000, 10001, 10002, events} {
		for name, at := range map[string]time.Time{"at": time.Unix(int64(first), 0), "before": time.Unix(int64(first), -1)} {
			reads = 0
			n := 0
			for e, err := range store.All(t.Context(), eventstore.Since(at)) {
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 && e.Data != (Deposited{first}) {
					t.Errorf("%s event %d comes %+v first", name, first, e.Data)
				}
				n++
			}
			if n != events-first+1 || reads > n+4096+10 {
				t.Errorf("%s event %d: %d events, for which %d were read", name, first, n, reads)
			}
		}
	}
	if data := dataOf(t, store.All(t.Context(), eventstore.Since(time.Unix(events, 1)))); len(data) != 0 {
		t.Errorf("%d events since the end", len(data))
	}
}

func TestSinceAndAfter(t *testing.T) {
	now := time.Unix(1, 0)
	store := open(t, eventstore.NewMemoryAt(func() time.Time { return now }), account)
	mustAppend(t, store, "account-a", Deposited{1})
	second := mustAppend(t, store, "account-a", Deposited{2})
	now = now.Add(time.Second)
	mustAppend(t, store, "account-a", Deposited{3})
	after := eventstore.After(eventstore.Cursor{}.After(second.Position))
	for name, test := range map[string]struct {
		since time.Time
		want  []any
	}{
		"the cursor is later": {time.Unix(1, 0), []any{Deposited{3}}},
		"the time is later":   {time.Unix(3, 0), []any{}},
	} {
		if diff := cmp.Diff(test.want, dataOf(t, store.All(t.Context(), after, eventstore.Since(test.since)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUntil(t *testing.T) {
	now := time.Unix(1, 0)
	store := open(t, eventstore.NewMemoryAt(func() time.Time { return now }), account)
	for i := range 3 {
		mustAppend(t, store, "account-a", Deposited{i})
		now = now.Add(time.Second)
	}
	for name, test := range map[string]struct {
		until time.Time
		want  int
	}{
		"no time at all":     {time.Time{}, 0},
		"before the first":   {time.Unix(1, -1), 0},
		"at the first":       {time.Unix(1, 0), 1},
		"between":            {time.Unix(2, 1), 2},
		"in another zone":    {time.Unix(2, 0).In(time.FixedZone("", 3600)), 2},
		"at the end of time": {time.Unix(1<<40, 0), 3},
	} {
		if got := len(dataOf(t, store.Stream(t.Context(), "account-a", eventstore.Until(test.until)))); got != test.want {
			t.Errorf("%s: %d events, want %d", name, got, test.want)
		}
	}
}

func TestStreamVersions(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	mustAppend(t, store, "account-a", Deposited{1}, Deposited{2}, Deposited{3}, Deposited{4})
	for _, test := range []struct {
		options []eventstore.StreamOption
		want    []any
	}{
		{nil, []any{Deposited{1}, Deposited{2}, Deposited{3}, Deposited{4}}},
		{[]eventstore.StreamOption{eventstore.FromVersion(3)}, []any{Deposited{3}, Deposited{4}}},
		{[]eventstore.StreamOption{eventstore.ToVersion(2), eventstore.Strict()}, []any{Deposited{1}, Deposited{2}}},
		{[]eventstore.StreamOption{eventstore.FromVersion(2), eventstore.ToVersion(3)}, []any{Deposited{2}, Deposited{3}}},
		{[]eventstore.StreamOption{eventstore.ToVersion(0)}, []any{}},
		{[]eventstore.StreamOption{eventstore.FromVersion(5)}, []any{}},
	} {
		if diff := cmp.Diff(test.want, dataOf(t, store.Stream(t.Context(), "account-a", test.options...))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// A record time that stands in the future for a while is no reason to go back.
func TestMemoryTimeNeverRunsBackwards(t *testing.T) {
	now := time.Unix(100, 123456789)
	log := eventstore.NewMemoryAt(func() time.Time { return now })
	store := open(t, log, account)
	first := mustAppend(t, store, "account-a", Deposited{1}).Events[0].Time
	if want := time.Unix(100, 123000000).UTC(); first != want {
		t.Errorf("recorded at %v, want %v", first, want)
	}
	now = time.Unix(50, 0)
	if again := mustAppend(t, store, "account-b", Deposited{1}).Events[0].Time; again != first {
		t.Errorf("recorded at %v, behind %v", again, first)
	}
}

// The tail merges one live read for each partition; an error of any ends it and releases the others.
func TestTailEndsWithTheFirstError(t *testing.T) {
	log := eventstore.NewMemory()
	store := open(t, log, account)
	for i := range 20 {
		mustAppend(t, store, fmt.Sprintf("account-%d", i), Deposited{i})
	}
	n := 0
	var last error
	for _, err := range store.Tail(t.Context()) {
		if last = err; err != nil {
			continue // nothing may follow
		}
		if n++; n == 20 {
			raw(t, log, "account-new", "account.closed", `{}`)
		}
	}
	unknown, ok := errors.AsType[*eventstore.UnknownTypeError](last)
	if !ok || unknown.Stream != "account-new" || n != 20 {
		t.Errorf("%d events, then %v", n, last)
	}
}
