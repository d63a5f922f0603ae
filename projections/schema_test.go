package projections_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// Two services share a topic: each projects its own categories and passes over the other's.
func TestCategoriesOfOthersArePassedOver(t *testing.T) {
	log := eventstore.NewMemory()
	open := func(schemas ...eventstore.Schema) *eventstore.Store {
		t.Helper()
		store, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, schemas...)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	type shipped struct{ Boxes int }
	orders := open(eventstore.Category{Name: "order", Events: map[string]any{"shipped": shipped{}}})
	accounts := open(accountEvents())
	memory := projections.NewMemory[balance]()
	ship := func() eventstore.Position {
		t.Helper()
		done, err := orders.Append(t.Context(), "order-1", eventstore.Any, shipped{3})
		if err != nil {
			t.Fatal(err)
		}
		return done.Position
	}
	want := int64(0)
	for range 3 { // the checkpoint lies behind an own event, then behind one of the other service
		ship()
		appendTo(t, accounts, "alice", deposited{1})
		want++
		for _, last := range []eventstore.Position{appendTo(t, accounts, "alice", noted{}), ship()} {
			if err := projections.CatchUp(t.Context(), accounts, balances(), memory); err != nil {
				t.Fatal(err)
			}
			if err := projections.Await(t.Context(), balances(), memory, last); err != nil {
				t.Fatal(err)
			}
			wantAmounts(t, memory, map[string]int64{"alice": want})
		}
	}
	ship()
	lag, err := projections.Lag(t.Context(), accounts, balances(), memory)
	if err != nil || lag.Events != 1 {
		t.Errorf("the lag is %+v, %v: an event of another service has to be passed as well", lag, err)
	}
	if err := projections.CatchUp(t.Context(), accounts, balances(), memory); err != nil {
		t.Fatal(err)
	}
	if lag, err := projections.Lag(t.Context(), accounts, balances(), memory); err != nil || lag != (projections.Behind{}) {
		t.Errorf("after passing it the lag is %+v, %v", lag, err)
	}
}

// What cannot be read stops the worker exactly before it.
func TestAnEventThatCannotBeReadStopsTheWorker(t *testing.T) {
	type depositedThen struct{ Amount string }
	type unheard struct{}
	for name, test := range map[string]struct {
		events map[string]any
		poison any
		want   error
	}{
		"undecodable":     {map[string]any{"deposited": depositedThen{}}, depositedThen{"much"}, eventstore.ErrDecode},
		"of unknown type": {map[string]any{"unheard": unheard{}}, unheard{}, eventstore.ErrUnknownType},
	} {
		t.Run(name, func(t *testing.T) {
			log := eventstore.NewMemory()
			now, err := eventstore.Open(t.Context(), log, eventstore.Config{Partitions: 1}, accountEvents())
			if err != nil {
				t.Fatal(err)
			}
			then, err := eventstore.Open(t.Context(), log, eventstore.Config{}, eventstore.Category{Name: "account", Events: test.events})
			if err != nil {
				t.Fatal(err)
			}
			memory := projections.NewMemory[balance]()
			appendTo(t, now, "alice", deposited{1}, deposited{2})
			at := appendTo(t, then, "alice", test.poison)
			appendTo(t, now, "alice", deposited{4})
			err = projections.Run(t.Context(), now, balances(), memory)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), at.String()) || !strings.Contains(err.Error(), "balances v2") {
				t.Fatalf("Run returned %v, want %v that names balances v2 and %s", err, test.want, at)
			}
			wantAmounts(t, memory, map[string]int64{"alice": 3})

			skipping, err := eventstore.Open(t.Context(), log, eventstore.Config{UnknownTypes: eventstore.Skip}, accountEvents())
			if err != nil {
				t.Fatal(err)
			}
			err = projections.CatchUp(t.Context(), skipping, balances(), memory)
			if errors.Is(test.want, eventstore.ErrUnknownType) != (err == nil) {
				t.Fatalf("with unknown types skipped CatchUp returned %v", err)
			}
		})
	}
}
