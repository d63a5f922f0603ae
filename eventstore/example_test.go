package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/eventstore"
)

func Example() {
	type Deposited struct{ Amount int }
	type Withdrawn struct{ Amount int }
	account := eventstore.Category{Name: "account", Events: map[string]any{"deposited": Deposited{}, "withdrawn": Withdrawn{}}}

	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := store.Append(ctx, account.Stream("alice"), eventstore.NoStream, Deposited{100}, Withdrawn{30})
	fmt.Println("version", done.Version, err)

	for e, err := range store.Stream(ctx, "account-alice") {
		fmt.Printf("%d %s %+v %v\n", e.Version, e.Type, e.Data, err)
	}
	// Output:
	// version 2 <nil>
	// 1 account.deposited {Amount:100} <nil>
	// 2 account.withdrawn {Amount:30} <nil>
}

func ExampleStore_Append_conflict() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // the second one comes too late: version 1 is taken
		_, err = store.Append(ctx, "account-alice", eventstore.NoStream, Deposited{100})
	}
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		fmt.Println("the stream is at version", conflict.Actual)
	}
	// Output: the stream is at version 1
}

func ExampleStore_AppendAll() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx = eventstore.WithMetadata(ctx, eventstore.Metadata{Actor: "bob"})
	// Both or neither.
	done, err := store.AppendAll(ctx,
		eventstore.Write{Stream: "account-alice", Expected: eventstore.NoStream, Events: []any{Withdrawn{30}}},
		eventstore.Write{Stream: "account-carol", Expected: eventstore.NoStream, Events: []any{Deposited{30}}, Metadata: eventstore.Metadata{Tags: []string{"gift"}}},
	)
	for _, d := range done {
		fmt.Println(d.Stream, "version", d.Version, "by", d.Events[0].Metadata.Actor, d.Events[0].Metadata.Tags)
	}
	fmt.Println(err)
	// Output:
	// account-alice version 1 by bob []
	// account-carol version 1 by bob [gift]
	// <nil>
}

func ExampleStore_All() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	replay := func(cursor eventstore.Cursor) eventstore.Cursor {
		for e, err := range store.All(ctx, eventstore.After(cursor)) {
			if err != nil {
				fmt.Println(err)
				break
			}
			fmt.Println(e.Stream, e.Version)
			cursor = cursor.After(e.Position)
		}
		return cursor
	}
	_, err = store.Append(ctx, "account-alice", eventstore.Any, Deposited{100}, Withdrawn{30})
	fmt.Println(err)
	cursor := replay(eventstore.Cursor{})

	_, err = store.Append(ctx, "account-alice", eventstore.Any, Deposited{5})
	fmt.Println(err)
	replay(cursor)
	// Output:
	// <nil>
	// account-alice 1
	// account-alice 2
	// <nil>
	// account-alice 3
}

func ExampleStore_Tail() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := store.Append(ctx, "account-alice", eventstore.Any, Deposited{1}); err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range store.Tail(ctx) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(e.Stream, e.Version)
		if e.Version == 3 {
			cancel()
			continue
		}
		if _, err := store.Append(ctx, "account-alice", eventstore.Any, Deposited{1}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// account-alice 1
	// account-alice 2
	// account-alice 3
	// context canceled
}

// Events are never rewritten. What was written under another name, or in another shape, is brought to today's when it is read.
func ExampleOld() {
	type PaidIn struct{ Cents string }
	schema := eventstore.Category{
		Name:   "account",
		Events: map[string]any{"deposited": Deposited{}},
		Old: eventstore.Old{
			"credited": eventstore.Renamed(Deposited{}),
			"paid-in": eventstore.From(func(old PaidIn) (d Deposited, err error) {
				_, err = fmt.Sscan(old.Cents, &d.Amount)
				return d, err
			}),
		},
	}
	// A store of last year.
	ctx, log := context.Background(), eventstore.NewMemory()
	before, err := eventstore.Open(ctx, log, eventstore.Config{}, eventstore.Category{Name: "account", Events: map[string]any{"paid-in": PaidIn{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := before.Append(ctx, "account-alice", eventstore.NoStream, PaidIn{"100"}); err != nil {
		fmt.Println(err)
		return
	}

	store, err := eventstore.Open(ctx, log, eventstore.Config{}, schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range store.Stream(ctx, "account-alice") {
		fmt.Printf("%s: %T %+v %v\n", e.Type, e.Data, e.Data, err)
	}
	// Output: account.paid-in: eventstore_test.Deposited {Amount:100} <nil>
}

func ExampleAs() {
	ctx := context.Background()
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := store.Append(ctx, "account-alice", eventstore.NoStream, Deposited{100}, Withdrawn{30}); err != nil {
		fmt.Println(err)
		return
	}
	sum := 0
	for e, err := range store.All(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if d, ok := eventstore.As[Deposited](e); ok {
			sum += d.Data.Amount
		}
	}
	fmt.Println("deposited", sum)
	// Output: deposited 100
}

func ExamplePosition() {
	var p eventstore.Position
	if err := p.UnmarshalText([]byte("events/3@1207")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("partition", p.Partition, "offset", p.Offset)
	// Output: partition 3 offset 1207
}

func ExampleNewMemoryAt() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ctx, log := context.Background(), eventstore.NewMemoryAt(func() time.Time { return noon })
	store, err := eventstore.Open(ctx, log, eventstore.Config{}, account)
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := store.Append(ctx, "account-alice", eventstore.NoStream, Deposited{100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Events[0].Time.Format(time.TimeOnly))
	// Output: 12:00:00
}
