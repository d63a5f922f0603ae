package projections_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// diary is an observer that keeps what it is told.
type diary struct {
	mu      sync.Mutex
	runs    []projections.RunInfo
	ended   []error
	batches []projections.BatchInfo
	done    []error
	traces  []string
}

func (d *diary) RunStart(ctx context.Context, r projections.RunInfo) (context.Context, func(projections.RunResult)) {
	d.note(func() { d.runs = append(d.runs, r) })
	return ctx, func(r projections.RunResult) { d.note(func() { d.ended = append(d.ended, r.Err) }) }
}

func (d *diary) BatchStart(ctx context.Context, b projections.BatchInfo) (context.Context, func(projections.BatchResult)) {
	d.note(func() {
		for m := range b.Metadata {
			d.traces = append(d.traces, m.Traceparent)
		}
		b.Metadata = nil
		d.batches = append(d.batches, b)
	})
	return ctx, func(r projections.BatchResult) { d.note(func() { d.done = append(d.done, r.Err) }) }
}

func (d *diary) note(fn func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fn()
}

func TestAnObserverIsToldOfBatches(t *testing.T) {
	store := openStore(t, 1)
	traced := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Traceparent: "00-01"})
	if _, err := store.Append(traced, "account-a", eventstore.Any, deposited{1}); err != nil {
		t.Fatal(err)
	}
	appendTo(t, store, "a", noted{"of no interest"})

	var told diary
	memory := projections.NewMemory[balance]()
	if err := projections.CatchUp(t.Context(), store, balances(), memory, projections.Observe(&told)); err != nil {
		t.Fatal(err)
	}
	stop := start(t, store, balances(), memory, projections.Observe(&told))
	for range 2 { // the first may be appended before Run has begun, the second is not
		if err := projections.Await(t.Context(), balances(), memory, appendTo(t, store, "a", deposited{2})); err != nil {
			t.Fatal(err)
		}
	}
	if behind, err := told.runs[1].Lag(t.Context()); err != nil || behind.Events != 0 {
		t.Errorf("the lag is %+v, %v", behind, err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	events, records := 0, 0
	for _, b := range told.batches {
		events, records = events+b.Events, records+b.Records
	}
	if diff := cmp.Diff([]int{3, 4}, []int{events, records}); diff != "" {
		t.Errorf("events and records (-want +got):\n%s", diff)
	}
	if !told.batches[0].Replay || told.batches[len(told.batches)-1].Replay {
		t.Errorf("told of %+v: the first is a replay, the last is not", told.batches)
	}
	if diff := cmp.Diff([]string{"00-01", "", ""}, told.traces); diff != "" {
		t.Errorf("traces (-want +got):\n%s", diff)
	}
	if len(told.runs) != 2 || told.runs[0].Live || !told.runs[1].Live || told.runs[0].Progress().Done != 2 || len(told.ended) != 2 || errors.Join(told.ended...) != nil {
		t.Errorf("told of runs %+v, which ended with %v", told.runs, told.ended)
	}
	if len(told.done) != len(told.batches) || errors.Join(told.done...) != nil {
		t.Errorf("%d batches ended with %v", len(told.batches), told.done)
	}
}

func TestAnObserverIsToldOfARefusal(t *testing.T) {
	store := openStore(t, 1)
	appendTo(t, store, "a", deposited{1})
	refusal := errors.New("no")
	p := projections.Define("fussy", projections.On(func(context.Context, *projections.Rows[balance], eventstore.Recorded[deposited]) error {
		return refusal
	}))
	var told diary
	err := projections.CatchUp(t.Context(), store, p, projections.NewMemory[balance](), projections.Observe(&told))
	if !errors.Is(err, refusal) || len(told.done) != 1 || !errors.Is(told.done[0], refusal) || !errors.Is(errors.Join(told.ended...), projections.ErrHandler) {
		t.Errorf("CatchUp: %v; the observer was told %v and %v", err, told.done, told.ended)
	}
}
