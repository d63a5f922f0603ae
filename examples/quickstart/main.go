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
type Deposited struct{ Amount int64 }
type Withdrawn struct{ Amount int64 }

func (e Deposited) Evolve(a *Account) { a.Balance += e.Amount }
func (e Withdrawn) Evolve(a *Account) { a.Balance -= e.Amount }

type Deposit struct{ Amount int64 }
type Withdraw struct{ Amount int64 }

func (c Deposit) Decide(Account) ([]aggregates.Event[Account], error) { return []aggregates.Event[Account]{Deposited{c.Amount}}, nil }

func (c Withdraw) Decide(a Account) ([]aggregates.Event[Account], error) {
	if c.Amount > a.Balance {
		return nil, fmt.Errorf("withdrawing %d: the balance is only %d", c.Amount, a.Balance)
	}
	return []aggregates.Event[Account]{Withdrawn{c.Amount}}, nil
}

var account = aggregates.Type[Account]{Name: "account", Events: map[string]aggregates.Event[Account]{"deposited": Deposited{}, "withdrawn": Withdrawn{}}}
var totals = projections.Define("totals", projections.Fold(func(sum *int64, e eventstore.Recorded[Deposited]) { *sum += e.Data.Amount }))

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
	accounts, deposits := aggregates.NewRepository(store, account), projections.NewMemory[int64]()
	_, err1 := accounts.Handle(ctx, "alice", Deposit{100})
	alice, err2 := accounts.Handle(ctx, "alice", Withdraw{30})
	_, refusal := accounts.Handle(ctx, "alice", Withdraw{300})
	err = cmp.Or(err1, err2, projections.CatchUp(ctx, store, totals, deposits), projections.Await(ctx, totals, deposits, alice.Position))
	total, _ := deposits.Get("alice") // the projection has seen alice's last write
	fmt.Printf("alice has %d at version %d, deposited %d in all; refused: %v\n", alice.State.Balance, alice.Version, total, refusal)
	for e, failed := range store.All(ctx) {
		err = cmp.Or(err, failed)
		fmt.Printf("replay: %s %-17s %s %+v\n", e.Position, e.Type, e.Stream, e.Data)
	}
	return err
}
