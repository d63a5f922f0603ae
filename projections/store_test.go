package projections_test

import (
	"context"
	"maps"
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// noted is an event that no projection of these tests handles unless it says so.
type noted struct{ Text string }

func accountEvents() eventstore.Category {
	return eventstore.Category{Name: "account", Events: map[string]any{
		"deposited": deposited{}, "withdrawn": withdrawn{}, "noted": noted{},
	}}
}

// openStore gives an empty store in memory.
func openStore(t testing.TB, partitions int) *eventstore.Store {
	t.Helper()
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Partitions: partitions}, accountEvents())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// appendTo gives the position of the last event.
func appendTo(t testing.TB, store *eventstore.Store, key string, events ...any) eventstore.Position {
	t.Helper()
	appended, err := store.Append(t.Context(), "account-"+key, eventstore.Any, events...)
	if err != nil {
		t.Fatal(err)
	}
	return appended.Position
}

// start runs a projection until the test ends or stop is called; both give what Run returned.
func start[T any](t *testing.T, store *eventstore.Store, p *projections.Projection[T], sink projections.Sink[T], opts ...projections.Option) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = projections.Run(ctx, store, p, sink, opts...)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func() error {
		cancel()
		<-done
		return err
	}
}

func amounts(memory *projections.Memory[balance]) map[string]int64 {
	amounts := make(map[string]int64)
	for key, row := range memory.All() {
		amounts[key] = row.Amount
	}
	return amounts
}

func wantAmounts(t testing.TB, memory *projections.Memory[balance], want map[string]int64) {
	t.Helper()
	if got := amounts(memory); !maps.Equal(got, want) {
		t.Errorf("the rows are %v, want %v", got, want)
	}
}
