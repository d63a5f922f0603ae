package eventstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestReadRaw(t *testing.T) {
	log := eventstore.NewMemory()
	store := open(t, log, account)
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Actor: "carol", Tags: []string{"vip"}})
	if _, err := store.Append(ctx, "account-alice", eventstore.NoStream, Deposited{7}); err != nil {
		t.Fatal(err)
	}
	topic, err := log.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	typed, err := read(store.Stream(t.Context(), "account-alice"))
	if err != nil || len(typed) != 1 {
		t.Fatalf("%v, %v", typed, err)
	}
	want := eventstore.Recorded[eventstore.Raw]{
		ID: typed[0].ID, Stream: typed[0].Stream, Version: 1, Position: typed[0].Position, Time: typed[0].Time, Type: "account.deposited",
		Metadata: typed[0].Metadata, Data: eventstore.Raw{ContentType: "application/json", Bytes: []byte(`{"Amount":7}`)},
	}
	for r, err := range log.Stream(t.Context(), topic, commitlog.StreamQuery{Stream: "account-alice"}) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := eventstore.ReadRaw(topic, r.Record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || got.Metadata.Actor != "carol" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		r.Headers = append(r.Headers, commitlog.Header{Key: "content", Value: []byte("application/cbor")})
		if got, err := eventstore.ReadRaw(topic, r.Record); got.Data.ContentType != "application/cbor" || err != nil {
			t.Errorf("another content type: %+v, %v", got, err)
		}
		r.Headers = r.Headers[:1]
		if _, err := eventstore.ReadRaw(topic, r.Record); !errors.Is(err, eventstore.ErrDecode) {
			t.Errorf("without a version: %v", err)
		}
	}
}
