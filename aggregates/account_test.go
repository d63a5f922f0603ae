package aggregates_test

import (
	"context"
	"errors"
	"testing"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

type Account struct {
	Owner   string
	Balance int64
}

type Event = aggregates.Event[Account]

type (
	Opened    struct{ Owner string }
	Deposited struct{ Amount int64 }
	Withdrawn struct{ Amount int64 }
	Audited   struct{} // is not in the type's table
)

func (e Opened) Evolve(a *Account)    { a.Owner = e.Owner }
func (e Deposited) Evolve(a *Account) { a.Balance += e.Amount }
func (e Withdrawn) Evolve(a *Account) { a.Balance -= e.Amount }
func (Audited) Evolve(*Account)       {}

var (
	ErrInsufficientFunds = errors.New("insufficient funds")
	ErrTaken             = errors.New("the account has an owner")
)

type (
	Open     struct{ Owner string }
	Deposit  struct{ Amount int64 }
	Withdraw struct{ Amount int64 }
)

func (c Open) Decide(a Account) ([]Event, error) {
	switch a.Owner {
	case "":
		return []Event{Opened(c)}, nil
	case c.Owner:
		return nil, nil
	}
	return nil, ErrTaken
}

func (c Deposit) Decide(Account) ([]Event, error) { return []Event{Deposited(c)}, nil }

func (c Withdraw) Decide(a Account) ([]Event, error) {
	if c.Amount > a.Balance {
		return nil, ErrInsufficientFunds
	}
	return []Event{Withdrawn(c)}, nil
}

// DecideFunc is a command made of its decision.
type DecideFunc func(Account) ([]Event, error)

func (f DecideFunc) Decide(a Account) ([]Event, error) { return f(a) }

var AccountType = aggregates.Type[Account]{
	Name:   "account",
	Events: map[string]Event{"opened": Opened{}, "deposited": Deposited{}, "withdrawn": Withdrawn{}},
}

func open[S any](t testing.TB, log eventstore.Log, typ aggregates.Type[S], config ...aggregates.RepositoryConfig) (*aggregates.Repository[S], *eventstore.Store) {
	t.Helper()
	store, err := eventstore.Open(t.Context(), log, eventstore.Config{}, typ)
	if err != nil {
		t.Fatal(err)
	}
	return aggregates.NewRepository(store, typ, config...), store
}

func handle[S any](t testing.TB, r *aggregates.Repository[S], key string, cmd aggregates.Command[S], opts ...aggregates.HandleOption) aggregates.Root[S] {
	t.Helper()
	root, err := r.Handle(t.Context(), key, cmd, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func load[S any](t testing.TB, r *aggregates.Repository[S], key string, opts ...aggregates.LoadOption) aggregates.Root[S] {
	t.Helper()
	root, err := r.Load(t.Context(), key, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// stored reads a stream's events, past everything that this package does.
func stored(t testing.TB, store *eventstore.Store, stream string) []eventstore.Event {
	t.Helper()
	var events []eventstore.Event
	for e, err := range store.Stream(context.WithoutCancel(t.Context()), stream) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}
