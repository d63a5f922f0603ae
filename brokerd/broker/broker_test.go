package broker_test

import (
	"context"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

type deposited struct{ Amount int }

var account = eventstore.Category{Name: "account", Events: map[string]any{"deposited": deposited{}}}

func start(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

// TestThread takes the whole way once: append, stream, all, through a real node, and again after a restart.
func TestThread(t *testing.T) {
	dir := t.TempDir()
	for run := range 3 {
		b := start(t, broker.Config{Dir: dir})
		store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{}, account)
		if err != nil {
			t.Fatal(err)
		}
		done, err := store.Append(t.Context(), "account-alice", commitlog.Expected(run), deposited{run + 1})
		if err != nil {
			t.Fatal(err)
		}
		if done.Version != int64(run+1) {
			t.Errorf("version %d, want %d", done.Version, run+1)
		}
		n := 0
		for e, err := range store.Stream(t.Context(), "account-alice") {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if e.Data != (deposited{n}) || e.Version != int64(n) {
				t.Errorf("event %d is %+v", n, e)
			}
		}
		all := 0
		for _, err := range store.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all++
		}
		if n != run+1 || all != run+1 {
			t.Errorf("the stream has %d events, the topic %d, want %d", n, all, run+1)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
