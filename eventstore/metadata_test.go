package eventstore_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/strandlog/strand/eventstore"
	"pgregory.net/rapid"
)

func TestMetadataIsLaidOverTheContexts(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{
		CommandID: "not taken", CorrelationID: "c-1", Tenant: "acme", Actor: "bob", Tags: []string{"b", "a"}, User: map[string]string{"ip": "::1", "app": "web"},
	})
	inner := eventstore.WithMetadata(ctx, eventstore.Metadata{Actor: "eve", Tags: []string{"c", "a"}})
	_, err := store.AppendAll(inner, eventstore.Write{Stream: "account-a", Events: []any{Deposited{1}}, Metadata: eventstore.Metadata{
		CommandID: "cmd", CausationID: "c-0", Traceparent: "00-01", Tags: []string{"d"}, User: map[string]string{"app": "batch"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(ctx, "account-a", 1, Deposited{2}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), "account-a", 2, Deposited{3}); err != nil {
		t.Fatal(err)
	}
	want := []eventstore.Metadata{
		{
			CommandID: "cmd", CorrelationID: "c-1", CausationID: "c-0", Traceparent: "00-01", Tenant: "acme", Actor: "eve",
			Tags: []string{"a", "b", "c", "d"}, User: map[string]string{"ip": "::1", "app": "batch"},
		},
		{CorrelationID: "c-1", Tenant: "acme", Actor: "bob", Tags: []string{"a", "b"}, User: map[string]string{"ip": "::1", "app": "web"}},
		{},
	}
	events, err := read(store.Stream(t.Context(), "account-a"))
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if diff := cmp.Diff(want[i], e.Metadata); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i+1, diff)
		}
	}
}

func TestMetadataFrom(t *testing.T) {
	if diff := cmp.Diff(eventstore.Metadata{}, eventstore.MetadataFrom(t.Context())); diff != "" {
		t.Errorf("of a context without any (-want +got):\n%s", diff)
	}
	given := eventstore.Metadata{CommandID: "c", Tags: []string{"b", "a"}, User: map[string]string{"k": "v"}}
	ctx := eventstore.WithMetadata(t.Context(), given)
	given.Tags[0], given.User["k"] = "spoiled", "spoiled"
	if diff := cmp.Diff(eventstore.Metadata{Tags: []string{"a", "b"}, User: map[string]string{"k": "v"}}, eventstore.MetadataFrom(ctx)); diff != "" {
		t.Errorf("a command id belongs to one append, and the caller's memory stays its own (-want +got):\n%s", diff)
	}
}

// Whatever metadata an event is appended with comes back.
func TestMetadataRoundTrip(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		want := eventstore.Metadata{
			CorrelationID: text.Draw(t, "correlation id"), CausationID: text.Draw(t, "causation id"), Traceparent: text.Draw(t, "traceparent"),
			Tenant: text.Draw(t, "tenant"), Actor: text.Draw(t, "actor"),
			Tags: rapid.SliceOfDistinct(rapid.StringN(1, -1, -1), rapid.ID).Draw(t, "tags"),
			User: rapid.MapOf(text, text).Draw(t, "user"),
		}
		done, err := store.AppendAll(context.Background(), eventstore.Write{Stream: "account-a", Expected: eventstore.Any, Events: []any{Deposited{}}, Metadata: want})
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range store.Stream(context.Background(), "account-a", eventstore.FromVersion(done[0].Version)) {
			if err != nil {
				t.Fatal(err)
			}
			sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(want, e.Metadata, cmpopts.EquateEmpty(), sorted); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(done[0].Events[0].Metadata, e.Metadata, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-as told +as read):\n%s", diff)
			}
		}
	})
}
