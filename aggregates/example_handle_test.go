package aggregates_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

// accounts opens a repository over an empty log in memory.
func accounts(ctx context.Context) *aggregates.Repository[Account] {
	store, err := eventstore.Open(ctx, eventstore.NewMemory(), eventstore.Config{}, AccountType)
	if err != nil {
		panic(err)
	}
	return aggregates.NewRepository(store, AccountType)
}

func ExampleRepository_Handle() {
	ctx := context.Background()
	accounts := accounts(ctx)

	for _, cmd := range []aggregates.Command[Account]{Open{"Alice"}, Deposit{100}, Withdraw{30}, Withdraw{300}} {
		alice, err := accounts.Handle(ctx, "alice", cmd)
		switch {
		case errors.Is(err, ErrInsufficientFunds):
			fmt.Printf("refused at version %d: %v\n", alice.Version, err)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Printf("version %d: %+v after %s\n", alice.Version, alice.State, alice.Events[0].Type)
		}
	}
	// Output:
	// version 1: {Owner:Alice Balance:0} after account.opened
	// version 2: {Owner:Alice Balance:100} after account.deposited
	// version 3: {Owner:Alice Balance:70} after account.withdrawn
	// refused at version 3: insufficient funds
}

// A request that is sent twice is handled once, even though the second withdrawal would be refused.
func ExampleCommandID() {
	ctx := context.Background()
	accounts := accounts(ctx)
	if _, err := accounts.Handle(ctx, "alice", Deposit{100}); err != nil {
		fmt.Println(err)
	}
	for range 2 {
		alice, err := accounts.Handle(ctx, "alice", Withdraw{100}, aggregates.CommandID("request-7"))
		fmt.Println(alice.Version, alice.State.Balance, len(alice.Events), err)
	}
	// Output:
	// 2 0 1 <nil>
	// 2 0 1 <nil>
}

// The form that a user filled in shows version 1, and meanwhile somebody else has withdrawn.
func ExampleIfVersion() {
	ctx := context.Background()
	accounts := accounts(ctx)
	for _, cmd := range []aggregates.Command[Account]{Deposit{100}, Withdraw{30}} {
		if _, err := accounts.Handle(ctx, "alice", cmd); err != nil {
			fmt.Println(err)
		}
	}
	_, err := accounts.Handle(ctx, "alice", Withdraw{50}, aggregates.IfVersion(1))
	if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
		fmt.Printf("you have seen version %d, and the account is at %d\n", conflict.Expected, conflict.Actual)
	}
	// Output:
	// you have seen version 1, and the account is at 2
}
