package aggregates_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

// diary is an observer that keeps what it is told.
type diary struct {
	begun []aggregates.HandleInfo
	ended []aggregates.HandleResult
}

func (d *diary) HandleStart(ctx context.Context, h aggregates.HandleInfo) (context.Context, func(aggregates.HandleResult)) {
	d.begun = append(d.begun, h)
	return ctx, func(r aggregates.HandleResult) { d.ended = append(d.ended, r) }
}

func TestAnObserverIsToldOfCommands(t *testing.T) {
	var told diary
	accounts, store := open(t, eventstore.NewMemory(), AccountType, aggregates.RepositoryConfig{Observer: &told})
	handle(t, accounts, "alice", Deposit{10})

	others := aggregates.NewRepository(store, AccountType)
	first := true
	handle(t, accounts, "alice", DecideFunc(func(Account) ([]Event, error) {
		if first { // somebody else is faster
			first = false
			handle(t, others, "alice", Deposit{1})
		}
		return []Event{Deposited{5}, Deposited{6}}, nil
	}))
	refusal := errors.New("no")
	_, err := accounts.Handle(t.Context(), "alice", DecideFunc(func(Account) ([]Event, error) { return nil, refusal }))
	if !errors.Is(err, refusal) {
		t.Fatal(err)
	}

	if len(told.begun) != 3 || told.begun[0].Category != "account" || told.begun[0].Stream != "account-alice" || told.begun[0].Command != any(Deposit{10}) {
		t.Errorf("told of %+v", told.begun)
	}
	want := []aggregates.HandleResult{{Events: 1}, {Events: 2, Retries: 1}, {Refused: true, Err: refusal}}
	if diff := cmp.Diff(want, told.ended, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
