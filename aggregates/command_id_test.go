package aggregates_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestACommandIsHandledOnce(t *testing.T) {
	log := newFaultyLog()
	accounts, store := open(t, log, AccountType)
	handle(t, accounts, "alice", Deposit{100})
	first := handle(t, accounts, "alice", Withdraw{100}, aggregates.CommandID("req-1"))

	// By now Decide would refuse the command, and would have nothing to withdraw from.
	if _, err := accounts.Handle(t.Context(), "alice", Withdraw{100}); !errors.Is(err, ErrInsufficientFunds) {
		t.Fatalf("error = %v, want a refusal without the id", err)
	}
	handle(t, accounts, "alice", Open{"Alice"})

	for name, again := range map[string]*aggregates.Repository[Account]{
		"the same repository":     accounts,
		"another process":         aggregates.NewRepository(store, AccountType),
		"another without a cache": aggregates.NewRepository(store, AccountType, aggregates.RepositoryConfig{CacheEntriesMax: -1}),
	} {
		for condition, opts := range map[string][]aggregates.HandleOption{
			"":                                       {aggregates.CommandID("req-1")},
			", if it is as the first request had it": {aggregates.CommandID("req-1"), aggregates.IfVersion(1)},
		} {
			t.Run(name+condition, func(t *testing.T) {
				var root aggregates.Root[Account]
				got := log.counted(func() {
					root = handle(t, again, "alice", DecideFunc(func(Account) ([]Event, error) {
						t.Error("Decide was asked")
						return nil, nil
					}), opts...)
				})
				if got.Appends != 0 {
					t.Errorf("%d appends", got.Appends)
				}
				if diff := cmp.Diff(first.Events, root.Events); diff != "" {
					t.Errorf("events (-first +again):\n%s", diff)
				}
				if want := (Account{Owner: "Alice"}); root.Version != 3 || root.State != want || root.Position != stored(t, store, "account-alice")[2].Position {
					t.Errorf("root = %+v, want version 3 and %+v", root, want)
				}
			})
		}
	}
	if n := len(stored(t, store, "account-alice")); n != 3 {
		t.Errorf("%d events are stored, want 3", n)
	}
}

// The cached state is from before the first handling, which another process did.
func TestARecalledCommandIsInTheState(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	elsewhere := aggregates.NewRepository(store, AccountType)
	handle(t, here, "alice", Deposit{100})
	handle(t, elsewhere, "alice", Withdraw{30}, aggregates.CommandID("req-1"))
	root := handle(t, here, "alice", Withdraw{30}, aggregates.CommandID("req-1"))
	if root.Version != 2 || root.State.Balance != 70 || len(root.Events) != 1 {
		t.Errorf("root = %+v, want version 2 with balance 70", root)
	}
}

// The look-up before Decide is answered by a leader that was deposed and knows nothing of the first handling.
func TestACommandIsRecalledBeforeARefusal(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	handle(t, here, "alice", Deposit{100})
	handle(t, aggregates.NewRepository(store, AccountType), "alice", Withdraw{100}, aggregates.CommandID("req-1"))
	log.setBehind(1)
	for name, cmd := range map[string]aggregates.Command[Account]{
		"refused":  DecideFunc(func(Account) ([]Event, error) { return nil, ErrTaken }),
		"no event": DecideFunc(func(Account) ([]Event, error) { return nil, nil }),
		"accepted": Withdraw{100}, // on the stale state; the log knows the id
	} {
		t.Run(name, func(t *testing.T) {
			fresh := aggregates.NewRepository(store, AccountType)
			root := handle(t, fresh, "alice", cmd, aggregates.CommandID("req-1"))
			if root.Version != 2 || root.State.Balance != 0 || len(root.Events) != 1 {
				t.Errorf("root = %+v, want the first handling", root)
			}
		})
	}
	log.setBehind(0)
	if n := len(stored(t, store, "account-alice")); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
}

// Two processes send the same command at once: it comes in between the other's look-up and append.
func TestACommandHandledMeanwhile(t *testing.T) {
	for name, balance := range map[string]int64{"it would be accepted again": 100, "it would be refused": 60} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			here, store := open(t, log, AccountType)
			elsewhere := aggregates.NewRepository(store, AccountType)
			handle(t, here, "alice", Deposit{balance})
			var once sync.Once
			var first aggregates.Root[Account]
			log.append = func(_ commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
				once.Do(func() {
					log.append = nil
					first = handle(t, elsewhere, "alice", Withdraw{50}, aggregates.CommandID("req-1"))
					handle(t, elsewhere, "alice", Open{"Alice"})
				})
				return next()
			}
			root := handle(t, here, "alice", Withdraw{50}, aggregates.CommandID("req-1"))
			if diff := cmp.Diff(first.Events, root.Events); diff != "" {
				t.Errorf("events (-first +second):\n%s", diff)
			}
			if root.Version != 3 || root.State != (Account{Owner: "Alice", Balance: balance - 50}) || len(stored(t, store, "account-alice")) != 3 {
				t.Errorf("root = %+v, want version 3 and one withdrawal", root)
			}
		})
	}
}

// A conflict is met first, and the command's own first handling is what it conflicted with.
func TestACommandThatConflictsWithItself(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	elsewhere := aggregates.NewRepository(store, AccountType)
	handle(t, here, "alice", Deposit{50})
	log.append = func(commitlog.Append, func() (commitlog.Appended, error)) (commitlog.Appended, error) {
		log.append = nil
		handle(t, elsewhere, "alice", Withdraw{50}, aggregates.CommandID("req-1"))
		return commitlog.Appended{}, &commitlog.ConflictError{Topic: "events", Stream: "account-alice", Expected: 1, Actual: 2}
	}
	root := handle(t, here, "alice", Withdraw{50}, aggregates.CommandID("req-1"))
	if root.Version != 2 || len(root.Events) != 1 || root.State.Balance != 0 {
		t.Errorf("root = %+v, want the first handling", root)
	}
}

// All events of a command are its handling: they are stored, and come back, together.
func TestACommandOfSeveralEvents(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	elsewhere := aggregates.NewRepository(store, AccountType)
	several := DecideFunc(func(a Account) ([]Event, error) {
		if a.Owner != "" {
			return nil, ErrTaken
		}
		return []Event{Opened{"Alice"}, Deposited{100}, Withdrawn{30}}, nil
	})
	handle(t, here, "alice", Deposit{1})
	first := handle(t, here, "alice", several, aggregates.CommandID("req-1"))
	if len(first.Events) != 3 || first.Version != 4 || first.State.Balance != 71 {
		t.Fatalf("root = %+v, want three events up to version 4", first)
	}
	handle(t, here, "alice", Deposit{1})
	for name, again := range map[string]*aggregates.Repository[Account]{"here": here, "elsewhere": elsewhere} {
		root := handle(t, again, "alice", several, aggregates.CommandID("req-1"))
		if diff := cmp.Diff(first.Events, root.Events); diff != "" || root.Version != 5 || root.State.Balance != 72 {
			t.Errorf("%s: root = %+v; events (-first +again):\n%s", name, root, diff)
		}
	}
	if n := len(stored(t, store, "account-alice")); n != 5 {
		t.Errorf("%d events are stored, want 5", n)
	}
}

// The log stored the append at the first attempt, and its client learned of that only by asking again.
func TestAnAppendWhoseFirstAnswerWasLost(t *testing.T) {
	for name, opts := range map[string][]aggregates.HandleOption{"with an id": {aggregates.CommandID("req-1")}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			accounts, store := open(t, log, AccountType)
			handle(t, accounts, "alice", Deposit{50})
			log.append = func(_ commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
				stored, err := next()
				stored.Duplicate = true
				return stored, err
			}
			root := handle(t, accounts, "alice", Withdraw{20}, opts...)
			if diff := cmp.Diff(stored(t, store, "account-alice")[1:], root.Events); diff != "" || root.Version != 2 || root.State.Balance != 30 {
				t.Errorf("root = %+v; events (-stored +got):\n%s", root, diff)
			}
		})
	}
}

func TestACommandIDIsOfItsStream(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	handle(t, accounts, "alice", Deposit{1}, aggregates.CommandID("req-1"))
	if root := handle(t, accounts, "bob", Deposit{2}, aggregates.CommandID("req-1")); root.State.Balance != 2 || len(root.Events) != 1 {
		t.Errorf("root = %+v, want a deposit of 2", root)
	}
}

// What was refused left nothing behind that could be answered again.
func TestARefusedCommandIsDecidedAgain(t *testing.T) {
	accounts, _ := open(t, eventstore.NewMemory(), AccountType)
	if _, err := accounts.Handle(t.Context(), "alice", Withdraw{1}, aggregates.CommandID("req-1")); !errors.Is(err, ErrInsufficientFunds) {
		t.Fatal(err)
	}
	handle(t, accounts, "alice", Deposit{1})
	if root := handle(t, accounts, "alice", Withdraw{1}, aggregates.CommandID("req-1")); root.Version != 2 {
		t.Errorf("version %d, want 2", root.Version)
	}
}
