package eventstore_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/eventstore"
)

func TestUnknownType(t *testing.T) {
	for name, typ := range map[string]string{"not in the schema": "account.closed", "none": "", "another category's": "loan.paid"} {
		t.Run(name, func(t *testing.T) {
			log := eventstore.NewMemory()
			store := open(t, log, account, eventstore.Category{Name: "card"})
			mustAppend(t, store, "account-a", Deposited{1})
			raw(t, log, "account-a", typ, `{}`)
			mustAppend(t, store, "account-a", Deposited{3})

			events, err := read(store.Stream(t.Context(), "account-a"))
			unknown, ok := errors.AsType[*eventstore.UnknownTypeError](err)
			if len(events) != 1 || !ok || !errors.Is(err, eventstore.ErrUnknownType) {
				t.Fatalf("%d events, then %v", len(events), err)
			}
			if unknown.Type != typ || unknown.Stream != "account-a" || unknown.Version != 2 || unknown.Position.Offset != 1 {
				t.Errorf("the details are %+v", unknown)
			}
			wantWords(t, err, `"`+typ+`"`, "account-a", "version 2", unknown.Position.String(), "add it", "Skip")
			if _, err := read(store.All(t.Context())); !errors.Is(err, eventstore.ErrUnknownType) {
				t.Errorf("all: %v", err)
			}

			lenient, err := eventstore.Open(t.Context(), log, eventstore.Config{UnknownTypes: eventstore.Skip}, account)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]any{Deposited{1}, Deposited{3}}, dataOf(t, lenient.Stream(t.Context(), "account-a"))); diff != "" {
				t.Errorf("a store that skips (-want +got):\n%s", diff)
			}
		})
	}
}

// Services share a topic: what belongs to others is passed over, whatever it holds.
func TestCategoriesOfOthers(t *testing.T) {
	log := eventstore.NewMemory()
	store := open(t, log, account)
	mustAppend(t, store, "account-a", Deposited{1})
	raw(t, log, "loan-a", "loan.paid", `not JSON`)
	raw(t, log, "accounts-a", "account.deposited", `not JSON`)
	raw(t, log, "nodash", "", ``)
	if diff := cmp.Diff([]any{Deposited{1}}, dataOf(t, store.All(t.Context()))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	_, err := read(store.Stream(t.Context(), "loan-a"))
	if !errors.Is(err, eventstore.ErrUnknownCategory) {
		t.Fatalf("the stream of another category: %v", err)
	}
	wantWords(t, err, `"loan-a"`, `"loan"`, "give its schema to Open")
}
