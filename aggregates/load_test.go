package aggregates_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/eventstore"
)

func TestLoad(t *testing.T) {
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	now := start
	log := eventstore.NewMemoryAt(func() time.Time { return now })
	writer, store := open(t, log, AccountType)
	for i := range 4 { // at noon, one, two, three
		now = start.Add(time.Duration(i) * time.Hour)
		handle(t, writer, "alice", Deposit{1})
	}
	events := stored(t, store, "account-alice")

	for name, tt := range map[string]struct {
		opts []aggregates.LoadOption
		want int64
	}{
		"the newest":                  {nil, 4},
		"before the first":            {[]aggregates.LoadOption{aggregates.AtVersion(0)}, 0},
		"the first":                   {[]aggregates.LoadOption{aggregates.AtVersion(1)}, 1},
		"in between":                  {[]aggregates.LoadOption{aggregates.AtVersion(3)}, 3},
		"the last":                    {[]aggregates.LoadOption{aggregates.AtVersion(4)}, 4},
		"no time":                     {[]aggregates.LoadOption{aggregates.AtTime(time.Time{})}, 0},
		"a time before the first":     {[]aggregates.LoadOption{aggregates.AtTime(start.Add(-1))}, 0},
		"the time of the first":       {[]aggregates.LoadOption{aggregates.AtTime(start)}, 1},
		"a time in between":           {[]aggregates.LoadOption{aggregates.AtTime(start.Add(90 * time.Minute))}, 2},
		"the time of the third":       {[]aggregates.LoadOption{aggregates.AtTime(start.Add(2 * time.Hour))}, 3},
		"a time after the last":       {[]aggregates.LoadOption{aggregates.AtTime(start.Add(24 * time.Hour))}, 4},
		"of several, the last counts": {[]aggregates.LoadOption{aggregates.AtTime(start), aggregates.AtVersion(2)}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for path, accounts := range map[string]*aggregates.Repository[Account]{
				"cached": writer,
				"read":   aggregates.NewRepository(store, AccountType),
			} {
				want := aggregates.Root[Account]{ID: "alice", Version: tt.want, State: Account{Balance: tt.want}}
				if tt.want > 0 {
					want.Position = events[tt.want-1].Position
				}
				if diff := cmp.Diff(want, load(t, accounts, "alice", tt.opts...)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", path, diff)
				}
			}
		})
	}
}

func TestLoadOfWhatDoesNotExist(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	for _, opts := range [][]aggregates.LoadOption{nil, {aggregates.AtVersion(0)}, {aggregates.AtTime(time.Now())}} {
		if diff := cmp.Diff(aggregates.Root[Account]{ID: "nobody"}, load(t, accounts, "nobody", opts...)); diff != "" {
			t.Errorf("root (-want +got):\n%s", diff)
		}
	}
}

func TestLoadBeyondTheEndNamesTheEnd(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	handle(t, accounts, "alice", Deposit{1})
	handle(t, accounts, "alice", Deposit{1})
	for _, want := range []aggregates.VersionError{
		{Stream: "account-alice", Version: 3, End: 2},
		{Stream: "account-alice", Version: -1},
		{Stream: "account-nobody", Version: 1},
	} {
		root, err := accounts.Load(t.Context(), eventstore.StreamName(want.Stream).Key(), aggregates.AtVersion(want.Version))
		got, ok := errors.AsType[*aggregates.VersionError](err)
		if !ok || !errors.Is(err, aggregates.ErrNoSuchVersion) || *got != want || root.ID != "" {
			t.Errorf("error = %v, want %+v", err, want)
		}
	}
}

// A version that a node behind the others does not have yet exists all the same.
func TestLoadAtAVersionAsksTheLeaderBeforeItDeniesIt(t *testing.T) {
	log := newFaultyLog()
	accounts, store := open(t, log, AccountType)
	handle(t, accounts, "alice", Deposit{1})
	handle(t, accounts, "alice", Deposit{1})
	log.setBehind(1)
	if root := load(t, aggregates.NewRepository(store, AccountType), "alice", aggregates.AtVersion(2)); root.State.Balance != 2 {
		t.Errorf("balance %d, want 2", root.State.Balance)
	}
}

func TestLoadReadsOnlyWhatTheCacheLacks(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	handle(t, here, "alice", Deposit{1})
	handle(t, aggregates.NewRepository(store, AccountType), "alice", Deposit{1})
	if root := load(t, here, "alice"); root.Version != 2 || root.State.Balance != 2 {
		t.Errorf("root = %+v, want what was appended elsewhere", root)
	}
	if got := log.counted(func() { load(t, here, "alice", aggregates.AtVersion(2)) }); got.Reads != 0 {
		t.Errorf("%d reads for the cached version", got.Reads)
	}
}

func TestErrorsOfTheStoreArePassedOn(t *testing.T) {
	accounts, store := open(t, eventstore.NewMemory(), AccountType)
	handle(t, accounts, "alice", Deposit{1})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := aggregates.NewRepository(store, AccountType).Load(ended, "alice"); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
	if _, err := accounts.Load(t.Context(), "a\nb"); !errors.Is(err, eventstore.ErrInvalidName) {
		t.Errorf("error = %v, want an invalid name", err)
	}
	if _, err := accounts.Handle(t.Context(), "", Deposit{1}); !errors.Is(err, eventstore.ErrInvalidName) {
		t.Errorf("error = %v, want an invalid name", err)
	}
	unopened := AccountType
	unopened.Name = "savings"
	if _, err := aggregates.NewRepository(store, unopened).Load(t.Context(), "alice"); !errors.Is(err, eventstore.ErrUnknownCategory) {
		t.Errorf("error = %v, want an unknown category", err)
	}
}
