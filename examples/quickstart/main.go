// Command quickstart is Strand in one file: an aggregate, its commands, an embedded broker, a projection, reading one's own write, and replay.
//
//	go run ./examples/quickstart
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

type Account struct{ Balance int64 }

// Booked is what happened to an account: an event. Evolve is the only place where state changes.
type Booked struct{ Amount int64 }

func (e Booked) Evolve(a *Account) { a.Balance += e.Amount }

// Deposit and Withdraw are commands: Decide answers with events, or refuses.
type Deposit struct{ Amount int64 }
type Withdraw struct{ Amount int64 }
type Event = aggregates.Event[Account]

func (c Deposit) Decide(Account) ([]Event, error) { return []Event{Booked{c.Amount}}, nil }

func (c Withdraw) Decide(a Account) ([]Event, error) {
	if c.Amount > a.Balance {
		return nil, fmt.Errorf("withdrawing %d: the balance is only %d", c.Amount, a.Balance)
	}
	return []Event{Booked{-c.Amount}}, nil
}

var account = aggregates.Type[Account]{Name: "account", Events: map[string]Event{"booked": Booked{}}}
var bookings = projections.Define("bookings", projections.Fold(func(n *int, _ eventstore.Recorded[Booked]) { *n++ }))

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	b, err := broker.Start(ctx, broker.Config{}) // embedded: a temporary directory, no port, every append on disk before it is answered
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(ctx)) }()
	store, err := eventstore.Open(ctx, b.Client(), eventstore.Config{}, account)
	if err != nil {
		return err
	}
	accounts, counts := aggregates.NewRepository(store, account), projections.NewMemory[int]()
	_, err1 := accounts.Handle(ctx, "alice", Deposit{100})
	alice, err2 := accounts.Handle(ctx, "alice", Withdraw{30})
	if err = cmp.Or(err1, err2, projections.CatchUp(ctx, store, bookings, counts)); err == nil {
		err = projections.Await(ctx, bookings, counts, alice.Position) // read your own write: at once here, when a worker is behind later
	}
	count, _ := counts.Get("alice")
	fmt.Printf("alice has %d at version %d, after %d bookings\n", alice.State.Balance, alice.Version, count)
	for e, failed := range store.All(ctx) {
		err = cmp.Or(err, failed)
		fmt.Printf("replay: %s %s %s %+v\n", e.Position, e.Type, e.Stream, e.Data)
	}
	return err
}
