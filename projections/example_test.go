package projections_test

import (
	"context"
	"fmt"
	"log"

	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, accountEvents())
	if err != nil {
		log.Fatal(err)
	}

	// deposited and withdrawn are events; onDeposited and onWithdrawn change a row of type balance:
	//
	//	func onDeposited(b *balance, e eventstore.Recorded[deposited]) { b.Amount += e.Data.Amount }
	projection := projections.Define("balances", projections.Fold(onDeposited), projections.Fold(onWithdrawn))
	sink := projections.NewMemory[balance]()
	worker := make(chan error)
	go func() { worker <- projections.Run(ctx, store, projection, sink) }()

	written, err := store.Append(ctx, "account-alice", eventstore.NoStream, deposited{Amount: 100}, withdrawn{Amount: 30})
	if err != nil {
		log.Fatal(err)
	}
	if err := projections.Await(ctx, projection, sink, written.Position); err != nil {
		log.Fatal(err)
	}
	alice, _ := sink.Get("alice")
	fmt.Println("alice has", alice.Amount)

	stop()
	fmt.Println("the worker returned", <-worker)
	// Output:
	// alice has 70
	// the worker returned <nil>
}

func ExampleFoldBy() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, accountEvents())
	if err != nil {
		log.Fatal(err)
	}
	for i, amount := range []int64{5, 70, 800, 20, 6} {
		if _, err := store.Append(ctx, fmt.Sprint("account-", i), eventstore.NoStream, deposited{Amount: amount}); err != nil {
			log.Fatal(err)
		}
	}

	type deposits struct{ Count int }
	bySize := func(e eventstore.Recorded[deposited]) string {
		if e.Data.Amount < 50 {
			return "small"
		}
		return "large"
	}
	sizes := projections.Define("deposit-sizes", projections.FoldBy(bySize,
		func(d *deposits, e eventstore.Recorded[deposited]) { d.Count++ }))
	sink := projections.NewMemory[deposits]()
	if err := projections.CatchUp(ctx, store, sizes, sink); err != nil {
		log.Fatal(err)
	}
	for size, d := range sink.All() {
		fmt.Println(size, d.Count)
	}
	// Output:
	// large 2
	// small 3
}

func ExampleRebuild() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, accountEvents())
	if err != nil {
		log.Fatal(err)
	}
	for range 250 {
		if _, err := store.Append(ctx, "account-alice", eventstore.Any, deposited{Amount: 2}); err != nil {
			log.Fatal(err)
		}
	}

	sink := projections.NewMemory[balance]()
	var last projections.Progress
	err = projections.Rebuild(ctx, store, projections.Define("balances", projections.Fold(onDeposited)), sink,
		projections.OnProgress(func(p projections.Progress) { last = p }))
	if err != nil {
		log.Fatal(err)
	}
	alice, _ := sink.Get("alice")
	fmt.Printf("%d of %d events, alice has %d\n", last.Done, last.Total, alice.Amount)
	// Output:
	// 250 of 250 events, alice has 500
}
