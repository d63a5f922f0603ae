package scenario_test

import (
	"errors"
	"fmt"

	"github.com/strandlog/strand/aggregates"
)

type Account struct {
	Owner   string
	Balance int64
	Tags    []string
}

type Event = aggregates.Event[Account]

type (
	Opened    struct{ Owner string }
	Deposited struct{ Amount int64 }
	Withdrawn struct{ Amount int64 }
)

func (e Opened) Evolve(a *Account)    { a.Owner = e.Owner; a.Tags = []string{"new"} }
func (e Deposited) Evolve(a *Account) { a.Balance += e.Amount }
func (e Withdrawn) Evolve(a *Account) { a.Balance -= e.Amount }

var ErrInsufficientFunds = errors.New("insufficient funds")

// LimitError refuses a deposit.
type LimitError struct{ Limit int64 }

func (e *LimitError) Error() string { return fmt.Sprintf("more than %d at once", e.Limit) }

type (
	Open     struct{ Owner string }
	Deposit  struct{ Amount int64 }
	Withdraw struct{ Amount int64 }
	Retag    struct{} // breaks the rule that Decide does not write
)

func (c Open) Decide(a Account) ([]Event, error) {
	if a.Owner == c.Owner {
		return nil, nil
	}
	return []Event{Opened(c)}, nil
}

func (c Deposit) Decide(Account) ([]Event, error) {
	if c.Amount > 1000 {
		return nil, fmt.Errorf("deposit: %w", &LimitError{Limit: 1000})
	}
	return []Event{Deposited(c)}, nil
}

func (c Withdraw) Decide(a Account) ([]Event, error) {
	if c.Amount > a.Balance {
		return nil, fmt.Errorf("withdraw %d: %w", c.Amount, ErrInsufficientFunds)
	}
	return []Event{Withdrawn(c)}, nil
}

func (Retag) Decide(a Account) ([]Event, error) {
	a.Tags[0] = "old"
	return nil, nil
}
