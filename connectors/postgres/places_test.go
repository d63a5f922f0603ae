package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestSeveralPlaces has one projection kept in a table topic and in two databases at once: each has all of it.
func TestSeveralPlaces(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{Partitions: 4}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	const events = 100
	appendNumbers(t, store, 0, events, 23)
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := projections.Define("counters", projections.Fold(func(c *counter, _ eventstore.Recorded[numbered]) { c.N++ }))
	type place interface {
		projections.Sink[*projections.Rows[counter]]
		projections.Snapshotter[counter]
	}
	places := []place{table.New[counter](b.Client()), postgres.NewTable[counter](open(t)), postgres.NewTable[counter](open(t))}
	groups := map[string]bool{}
	for _, sink := range places {
		run(t, store, p, sink)
		group, err := projections.Group(t.Context(), p.ID(), sink)
		if err != nil {
			t.Fatal(err)
		}
		groups[group] = true
	}
	if len(groups) != len(places) || !groups["counters.v1"] {
		t.Errorf("the groups of three places are %v", groups)
	}
	limited, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for i, sink := range places {
		if err := projections.AwaitCursor(limited, p, sink, end); err != nil {
			t.Fatalf("place %d: %v", i, err)
		}
		is, err := sink.Snapshot(t.Context(), p.ID(), func(string) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for _, row := range is.Rows {
			n += row.N
		}
		if n != events {
			t.Errorf("place %d counted %d of %d events", i, n, events)
		}
	}
}
