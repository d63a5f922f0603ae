package eventstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/strandlog/strand/eventstore"
)

// diary is an observer that keeps what it is told, and puts what it is part of into the context.
type diary struct {
	appends  []eventstore.AppendInfo
	appended []eventstore.AppendResult
	loads    []eventstore.LoadInfo
	loaded   []eventstore.LoadResult
}

func (d *diary) AppendStart(ctx context.Context, a eventstore.AppendInfo) (context.Context, func(eventstore.AppendResult)) {
	d.appends = append(d.appends, a)
	ctx = eventstore.WithMetadata(ctx, eventstore.Metadata{Traceparent: "00-inner", Tracestate: "vendor=1"})
	return ctx, func(r eventstore.AppendResult) { d.appended = append(d.appended, r) }
}

func (d *diary) LoadStart(ctx context.Context, l eventstore.LoadInfo) (context.Context, func(eventstore.LoadResult)) {
	d.loads = append(d.loads, l)
	return ctx, func(r eventstore.LoadResult) { d.loaded = append(d.loaded, r) }
}

func TestAnObserverIsToldOfAppendsAndLoads(t *testing.T) {
	var told diary
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Observer: &told}, account)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, store, "account-a", Deposited{1}, Deposited{2}, Deposited{3})
	if _, err := store.Append(t.Context(), "account-a", eventstore.NoStream, Deposited{4}); !errors.Is(err, eventstore.ErrConflict) {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), "cart-a", eventstore.Any, Deposited{4}); !errors.Is(err, eventstore.ErrUnknownCategory) {
		t.Fatal(err)
	}
	for _, err := range store.Stream(t.Context(), "account-a", eventstore.FromVersion(2)) {
		if err != nil {
			t.Fatal(err)
		}
		break // has had enough
	}
	events, err := read(store.Stream(t.Context(), "account-a"))
	if err != nil {
		t.Fatal(err)
	}

	wantAppends := []eventstore.AppendInfo{
		{Topic: "events", Category: "account", Stream: "account-a", Expected: eventstore.Any, Writes: 1, Events: 3},
		{Topic: "events", Category: "account", Stream: "account-a", Expected: eventstore.NoStream, Writes: 1, Events: 1},
		{Topic: "events", Stream: "cart-a", Expected: eventstore.Any, Writes: 1, Events: 1}, // unknown, so not named
	}
	if diff := cmp.Diff(wantAppends, told.appends); diff != "" {
		t.Errorf("appends (-want +got):\n%s", diff)
	}
	wantAppended := []eventstore.AppendResult{{}, {Conflict: true, Err: eventstore.ErrConflict}, {Err: eventstore.ErrUnknownCategory}}
	if diff := cmp.Diff(wantAppended, told.appended, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	wantLoads := []eventstore.LoadInfo{
		{Topic: "events", Category: "account", Stream: "account-a", From: 2}, {Topic: "events", Category: "account", Stream: "account-a"},
	}
	if diff := cmp.Diff(wantLoads, told.loads); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]eventstore.LoadResult{{Events: 1}, {Events: 3}}, told.loaded); diff != "" {
		t.Errorf("what was loaded (-want +got):\n%s", diff)
	}
	if m := events[0].Metadata; m.Traceparent != "00-inner" || m.Tracestate != "vendor=1" {
		t.Errorf("stored with %+v, want the trace that the observer gave", m)
	}
}

func TestATraceIsReplacedAsAWhole(t *testing.T) {
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Traceparent: "00-outer", Tracestate: "vendor=1"})
	got := eventstore.MetadataFrom(eventstore.WithMetadata(ctx, eventstore.Metadata{Traceparent: "00-inner"}))
	if diff := cmp.Diff(eventstore.Metadata{Traceparent: "00-inner"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
