package aggregates_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

func TestIfVersion(t *testing.T) {
	for name, tt := range map[string]struct {
		ifVersion int64
		cmd       aggregates.Command[Account]
		want      error
		version   int64
	}{
		"it holds":                   {3, Deposit{1}, nil, 4},
		"it holds and is refused":    {3, Withdraw{100}, ErrInsufficientFunds, 3},
		"the caller is behind":       {2, Deposit{1}, eventstore.ErrConflict, 0},
		"as the cached state is":     {1, Deposit{1}, eventstore.ErrConflict, 0},
		"as it is, and it refuses":   {1, Withdraw{100}, eventstore.ErrConflict, 0},
		"the caller is ahead":        {7, Deposit{1}, eventstore.ErrConflict, 0},
		"it must not exist":          {0, Deposit{1}, eventstore.ErrConflict, 0},
		"there is no such version":   {-1, Deposit{1}, aggregates.ErrNoSuchVersion, 0},
		"nor one to expect anything": {-2, Deposit{1}, aggregates.ErrNoSuchVersion, 0},
	} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			here, store := open(t, log, AccountType)
			handle(t, here, "alice", Deposit{1}) // the cache stays at version 1
			elsewhere := aggregates.NewRepository(store, AccountType)
			handle(t, elsewhere, "alice", Deposit{1})
			handle(t, elsewhere, "alice", Deposit{1})

			var root aggregates.Root[Account]
			var err error
			got := log.counted(func() { root, err = here.Handle(t.Context(), "alice", tt.cmd, aggregates.IfVersion(tt.ifVersion)) })
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || root.Version != tt.version {
				t.Errorf("version %d and error %v, want %d and %v", root.Version, err, tt.version, tt.want)
			}
			// A conflict of the append is the answer at once; one with the cached state is not before the leader was asked.
			if errors.Is(err, eventstore.ErrConflict) && got.Appends+got.Strict != 1 {
				t.Errorf("%+v, want one append or one look at the newest version", got)
			}
			if conflict, ok := errors.AsType[*eventstore.ConflictError](err); ok {
				want := eventstore.ConflictError{Topic: "events", Stream: "account-alice", Expected: eventstore.Expected(tt.ifVersion), Actual: 3}
				if diff := cmp.Diff(want, *conflict); diff != "" {
					t.Errorf("conflict (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestIfVersionOfWhatDoesNotExist(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	_, err := accounts.Handle(t.Context(), "alice", Deposit{1}, aggregates.IfVersion(3))
	conflict, ok := errors.AsType[*eventstore.ConflictError](err)
	if want := (eventstore.ConflictError{Topic: "events", Stream: "account-alice", Expected: 3}); !ok || *conflict != want {
		t.Errorf("error = %v, want %+v", err, want)
	}
	if root := handle(t, accounts, "alice", Deposit{1}, aggregates.IfVersion(0)); root.Version != 1 {
		t.Errorf("version %d, want 1", root.Version)
	}
}
