package aggregates_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/aggregates"
)

func ExampleRepository_Load() {
	ctx := context.Background()
	accounts := accounts(ctx)
	for _, cmd := range []aggregates.Command[Account]{Deposit{100}, Withdraw{30}, Withdraw{20}} {
		if _, err := accounts.Handle(ctx, "alice", cmd); err != nil {
			fmt.Println(err)
		}
	}
	for version := range int64(5) {
		alice, err := accounts.Load(ctx, "alice", aggregates.AtVersion(version))
		if errors.Is(err, aggregates.ErrNoSuchVersion) {
			fmt.Println(err)
			break
		}
		fmt.Println(alice.Version, alice.State.Balance)
	}
	nobody, err := accounts.Load(ctx, "nobody")
	fmt.Println(nobody.Version, err)
	// Output:
	// 0 0
	// 1 100
	// 2 70
	// 3 50
	// loading account-alice: aggregates: stream "account-alice" has no version 4: it ends at version 3
	// 0 <nil>
}
