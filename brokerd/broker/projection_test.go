package broker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

type visited struct{ Pages int }

type visits struct{ Count, Pages int }

var visitors = eventstore.Category{Name: "visitor", Events: map[string]any{"visited": visited{}}}

// public is a sink that several processes could write to: workers share its partitions.
type public struct {
	projections.Sink[*projections.Rows[visits]]
}

func countVisits(name string) *projections.Projection[*projections.Rows[visits]] {
	return projections.Define(name, projections.Fold(func(v *visits, e eventstore.Recorded[visited]) {
		v.Count++
		v.Pages += e.Data.Pages
	}))
}

func openVisits(t *testing.T) *eventstore.Store {
	t.Helper()
	store, err := eventstore.Open(t.Context(), start(t, broker.Config{}).Client(), eventstore.Config{}, visitors)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func visit(t *testing.T, store *eventstore.Store, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := store.Append(t.Context(), fmt.Sprintf("visitor-%d", i%20), eventstore.Any, visited{i}); err != nil {
			t.Fatal(err)
		}
	}
}

func checkVisits(t *testing.T, sink *projections.Memory[visits], n int) {
	t.Helper()
	want := map[string]visits{}
	for i := range n {
		key := fmt.Sprint(i % 20)
		v := want[key]
		want[key] = visits{v.Count + 1, v.Pages + i}
	}
	for key, row := range sink.All() {
		if row != want[key] {
			t.Errorf("visitor %s has %+v, want %+v", key, row, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("%d visitors are missing", len(want))
	}
}

// worker runs a projection until the function that it gives is called.
func worker(t *testing.T, store *eventstore.Store, p *projections.Projection[*projections.Rows[visits]], sink projections.Sink[*projections.Rows[visits]]) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- projections.Run(ctx, store, p, sink) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// TestProjectionShared has workers come and go while events are appended. Each counts in one read model, which counts each event once.
func TestProjectionShared(t *testing.T) {
	store := openVisits(t)
	memory := projections.NewMemory[visits]()
	p := countVisits("visits")
	visit(t, store, 0, 200)
	var stops []func() error
	for i := range 3 {
		stops = append(stops, worker(t, store, p, public{memory}))
		visit(t, store, 200*(i+1), 200*(i+2))
	}
	if err := stops[0](); err != nil {
		t.Fatal(err)
	}
	visit(t, store, 800, 1000)
	await(t, store, p, memory)
	checkVisits(t, memory, 1000)
	for _, stop := range stops[1:] {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	visit(t, store, 1000, 1100)
	if err := projections.CatchUp(t.Context(), store, p, public{memory}); err != nil {
		t.Fatal(err)
	}
	checkVisits(t, memory, 1100)
}

// await returns when a projection has passed what the store holds.
func await(t *testing.T, store *eventstore.Store, p *projections.Projection[*projections.Rows[visits]], sink *projections.Memory[visits]) {
	t.Helper()
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := projections.AwaitCursor(ctx, p, sink, end); err != nil {
		t.Fatal(err)
	}
}

// TestProjectionRebuiltWhileShared clears the read model under a worker, which makes it anew together with the one that cleared it.
func TestProjectionRebuiltWhileShared(t *testing.T) {
	store := openVisits(t)
	memory := projections.NewMemory[visits]()
	p := countVisits("visits")
	visit(t, store, 0, 400)
	stop := worker(t, store, p, public{memory})
	await(t, store, p, memory)
	visit(t, store, 400, 420)
	if err := projections.Rebuild(t.Context(), store, p, public{memory}); err != nil {
		t.Fatal(err)
	}
	visit(t, store, 420, 500)
	await(t, store, p, memory)
	checkVisits(t, memory, 500)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestProjectionFailsWhileShared has a handler refuse an event: its worker ends with that, and so does CatchUp.
func TestProjectionFailsWhileShared(t *testing.T) {
	store := openVisits(t)
	broken := errors.New("broken")
	p := projections.Define("visits", projections.On(func(context.Context, *projections.Rows[visits], eventstore.Recorded[visited]) error { return broken }))
	visit(t, store, 0, 10)
	if err := projections.Run(t.Context(), store, p, public{projections.NewMemory[visits]()}); !errors.Is(err, broken) {
		t.Errorf("Run ended with %v", err)
	}
	if err := projections.CatchUp(t.Context(), store, p, public{projections.NewMemory[visits]()}); !errors.Is(err, broken) {
		t.Errorf("CatchUp ended with %v", err)
	}
}
