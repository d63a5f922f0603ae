package aggregates_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestHandleRecordsWhatWasDecided(t *testing.T) {
	accounts, store := open(t, eventstore.NewMemory(), AccountType)
	handle(t, accounts, "alice", Open{"Alice"})
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{CorrelationID: "c-1", Actor: "bob", Tags: []string{"vip"}})
	root, err := accounts.Handle(ctx, "alice", DecideFunc(func(Account) ([]Event, error) {
		return []Event{Deposited{100}, Withdrawn{30}}, nil
	}), aggregates.CommandID("req-1"))
	if err != nil {
		t.Fatal(err)
	}

	log := stored(t, store, "account-alice")
	want := aggregates.Root[Account]{
		ID: "alice", Version: 3, Position: log[2].Position,
		State:  Account{Owner: "Alice", Balance: 70},
		Events: log[1:], // the recorded events are those that a reader sees
	}
	if diff := cmp.Diff(want, root); diff != "" {
		t.Errorf("root (-want +got):\n%s", diff)
	}
	m := root.Events[0].Metadata
	if m.CorrelationID != "c-1" || m.Actor != "bob" || m.CommandID != "req-1" || root.Events[0].Type != "account.deposited" {
		t.Errorf("the context's metadata are lost: %+v", root.Events[0])
	}
}

func TestHandleAnswersARefusalAsItIs(t *testing.T) {
	accounts, store := open(t, eventstore.NewMemory(), AccountType)
	handle(t, accounts, "alice", Deposit{10})
	root, err := accounts.Handle(t.Context(), "alice", Withdraw{11})
	if err != ErrInsufficientFunds { //nolint:errorlint // the promise is identity
		t.Errorf("error = %v, want Decide's own", err)
	}
	if root.Version != 1 || root.State.Balance != 10 || root.Events != nil {
		t.Errorf("root = %+v, want what was refused", root)
	}
	// Events that come with an error are not recorded.
	_, err = accounts.Handle(t.Context(), "alice", DecideFunc(func(Account) ([]Event, error) {
		return []Event{Deposited{1}}, ErrTaken
	}))
	if !errors.Is(err, ErrTaken) || len(stored(t, store, "account-alice")) != 1 {
		t.Errorf("error = %v with %d events stored, want a refusal and 1", err, len(stored(t, store, "account-alice")))
	}
}

func TestHandleWithNothingToRecord(t *testing.T) {
	log := newFaultyLog()
	accounts, _ := open(t, log, AccountType)
	handle(t, accounts, "alice", Open{"Alice"})
	var root aggregates.Root[Account]
	if c := log.counted(func() { root = handle(t, accounts, "alice", Open{"Alice"}) }); c.Appends != 0 {
		t.Errorf("%d appends of nothing", c.Appends)
	}
	if root.Version != 1 || len(root.Events) != 0 {
		t.Errorf("root = %+v, want version 1 and no events", root)
	}
}

// A success on a cached state costs no read; whether it was the newest is checked by the append.
func TestASuccessOnACachedStateSkipsTheRead(t *testing.T) {
	log := newFaultyLog()
	accounts, _ := open(t, log, AccountType)
	handle(t, accounts, "alice", Deposit{10})
	got := log.counted(func() { handle(t, accounts, "alice", Deposit{10}) })
	if diff := cmp.Diff(calls{Appends: 1}, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestARefusalDecidedOnACachedStateIsNotAnAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		cached, elsewhere, cmd aggregates.Command[Account]
		want                   int64 // version
		wantErr                error
		reads                  int
	}{
		"refused on the cached state, accepted on the newest": {Open{"Alice"}, Deposit{50}, Withdraw{50}, 3, nil, 1},
		"nothing to do on the cached state, refused on the newest": {Deposit{1}, Open{"Bob"}, DecideFunc(func(a Account) ([]Event, error) {
			if a.Owner == "" {
				return nil, nil
			}
			return nil, ErrTaken
		}), 2, ErrTaken, 1},
		"refused on both": {Deposit{1}, Deposit{1}, Withdraw{3}, 2, ErrInsufficientFunds, 1},
	} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			here, store := open(t, log, AccountType)
			elsewhere := aggregates.NewRepository(store, AccountType) // has a cache of its own
			handle(t, here, "alice", tt.cached)
			handle(t, elsewhere, "alice", tt.elsewhere)

			var root aggregates.Root[Account]
			var err error
			got := log.counted(func() { root, err = here.Handle(t.Context(), "alice", tt.cmd) })
			if !errors.Is(err, tt.wantErr) || (err == nil) != (tt.wantErr == nil) || root.Version != tt.want {
				t.Errorf("version %d and error %v, want %d and %v", root.Version, err, tt.want, tt.wantErr)
			}
			if got.Reads != tt.reads || got.Strict != tt.reads {
				t.Errorf("%d reads, %d of them strict, want %d", got.Reads, got.Strict, tt.reads)
			}
		})
	}
}

// A first read may come from a leader that was deposed: a refusal on it is no answer either.
func TestARefusalDecidedOnAStaleReadIsNotAnAnswer(t *testing.T) {
	log := newFaultyLog()
	_, store := open(t, log, AccountType)
	handle(t, aggregates.NewRepository(store, AccountType), "alice", Open{"Alice"})
	handle(t, aggregates.NewRepository(store, AccountType), "alice", Deposit{50})
	log.setBehind(1)
	for name, accounts := range map[string]*aggregates.Repository[Account]{
		"with a cache":    aggregates.NewRepository(store, AccountType),
		"without a cache": aggregates.NewRepository(store, AccountType, aggregates.RepositoryConfig{CacheEntriesMax: -1}),
	} {
		if root := handle(t, accounts, "alice", Withdraw{10}); root.State.Balance >= 50 {
			t.Errorf("%s: balance %d", name, root.State.Balance)
		}
	}
}

func TestAConflictIsDecidedAgain(t *testing.T) {
	log := newFaultyLog()
	here, store := open(t, log, AccountType)
	elsewhere := aggregates.NewRepository(store, AccountType)
	handle(t, here, "alice", Deposit{100})
	handle(t, elsewhere, "alice", Withdraw{70})

	decided := 0
	root, err := here.Handle(t.Context(), "alice", DecideFunc(func(a Account) ([]Event, error) {
		decided++
		return Withdraw{a.Balance}.Decide(a)
	}))
	if err != nil || decided != 2 || root.Version != 3 || root.State.Balance != 0 {
		t.Errorf("decided %d times, version %d, balance %d, error %v; want 2, 3, 0, nil", decided, root.Version, root.State.Balance, err)
	}

	// A conflict may turn a success into a refusal.
	handle(t, here, "alice", Deposit{20})
	handle(t, elsewhere, "alice", Withdraw{20})
	root, err = here.Handle(t.Context(), "alice", Withdraw{20})
	if !errors.Is(err, ErrInsufficientFunds) || root.Version != 5 {
		t.Errorf("version %d and error %v, want 5 and a refusal", root.Version, err)
	}
}

func TestRetriesAreBounded(t *testing.T) {
	for retries, want := range map[int]int{-1: 1, 1: 2, 5: 6} {
		log := newFaultyLog()
		accounts, store := open(t, log, AccountType, aggregates.RepositoryConfig{RetriesMax: retries})
		log.append = func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
			event := a.Writes[0].Events[0]
			event.ID = uuid.New()
			other := commitlog.Write{Stream: a.Writes[0].Stream, Expected: commitlog.Any, Events: []commitlog.NewRecord{event}}
			topic, err := log.Topic(t.Context(), "events")
			if err != nil {
				return commitlog.Appended{}, err
			}
			if _, err := log.Log.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{other}}); err != nil {
				return commitlog.Appended{}, err
			}
			return next()
		}
		var err error
		got := log.counted(func() { _, err = accounts.Handle(t.Context(), "alice", Deposit{1}) })
		conflict, ok := errors.AsType[*eventstore.ConflictError](err)
		if !ok || !errors.Is(err, eventstore.ErrConflict) || conflict.Actual != int64(want) {
			t.Errorf("RetriesMax %d: error %v, want a conflict at version %d", retries, err, want)
		}
		if got.Appends != want || len(stored(t, store, "account-alice")) != want {
			t.Errorf("RetriesMax %d: %d appends, want %d", retries, got.Appends, want)
		}
	}
}

func TestRetriesEndWithTheContext(t *testing.T) {
	log := newFaultyLog()
	accounts, _ := open(t, log, AccountType)
	ctx, cancel := context.WithCancel(t.Context())
	log.append = func(commitlog.Append, func() (commitlog.Appended, error)) (commitlog.Appended, error) {
		cancel()
		return commitlog.Appended{}, &commitlog.ConflictError{Topic: "events", Stream: "account-alice", Actual: 1}
	}
	root, err := accounts.Handle(ctx, "alice", Deposit{1})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, eventstore.ErrConflict) || root.Version != 0 {
		t.Errorf("error = %v, want the end of the context, and that nothing is stored", err)
	}
}

func TestAnIndefiniteOutcomeIsPassedOn(t *testing.T) {
	for name, isStored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			log := newFaultyLog()
			accounts, store := open(t, log, AccountType)
			handle(t, accounts, "alice", Deposit{10})

			var ids []uuid.UUID
			log.append = func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
				ids = []uuid.UUID{a.Writes[0].Events[0].ID}
				if isStored {
					if _, err := next(); err != nil {
						return commitlog.Appended{}, err
					}
				}
				return commitlog.Appended{}, &commitlog.IndefiniteError{Topic: "events", Stream: "account-alice", IDs: ids, Cause: context.DeadlineExceeded}
			}
			var root aggregates.Root[Account]
			var err error
			got := log.counted(func() { root, err = accounts.Handle(t.Context(), "alice", Withdraw{10}, aggregates.CommandID("req-1")) })
			indefinite, ok := errors.AsType[*eventstore.IndefiniteError](err)
			if !ok || !errors.Is(err, eventstore.ErrIndefinite) || cmp.Diff(ids, indefinite.IDs) != "" {
				t.Fatalf("error = %v, want an indefinite outcome with ids %v", err, ids)
			}
			if diff := cmp.Diff(aggregates.Root[Account]{}, root); diff != "" || got.Appends != 1 {
				t.Errorf("%d appends, want 1; root (-want +got):\n%s", got.Appends, diff)
			}

			// The cached state was dropped: the next handling reads, and the same command id finds out what happened.
			log.append = nil
			got = log.counted(func() { root = handle(t, accounts, "alice", Withdraw{10}, aggregates.CommandID("req-1")) })
			if events := stored(t, store, "account-alice"); len(events) != 2 || root.Version != 2 || root.State.Balance != 0 {
				t.Errorf("%d events stored, root %+v, want the withdrawal once", len(events), root)
			}
			if got.Reads < 2 {
				t.Errorf("%d reads, want the command's look-up and the stream", got.Reads)
			}
		})
	}
}

func TestEventsThatCannotBeStored(t *testing.T) {
	log := newFaultyLog()
	accounts, store := open(t, log, AccountType)
	handle(t, accounts, "alice", Deposit{10})
	for name, tt := range map[string]struct {
		event Event
		want  error
		says  []string
	}{
		"nil":          {nil, eventstore.ErrNotRegistered, []string{"account-alice", "nil"}},
		"a pointer":    {&Deposited{1}, eventstore.ErrNotRegistered, []string{"*aggregates_test.Deposited", "leave the & out"}},
		"unregistered": {Audited{}, eventstore.ErrNotRegistered, []string{"aggregates_test.Audited", `add it to the Events of category "account"`}},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := accounts.Handle(t.Context(), "alice", DecideFunc(func(Account) ([]Event, error) {
				return []Event{Deposited{1}, tt.event}, nil
			}))
			if !errors.Is(err, tt.want) || root.Version != 0 {
				t.Fatalf("error = %v, want %v", err, tt.want)
			}
			for _, want := range append(tt.says, "DecideFunc") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if n := len(stored(t, store, "account-alice")); n != 1 {
				t.Errorf("%d events are stored, want 1", n)
			}
		})
	}
}

// An event that its codec writes and cannot read would make its aggregate unreadable for ever.
func TestAnEventThatTheCodecCannotReadBackIsNotStored(t *testing.T) {
	typ := AccountType
	typ.Codec = oneWay{}
	accounts, store := open(t, eventstore.NewMemory(), typ)
	_, err := accounts.Handle(t.Context(), "alice", Deposit{1})
	invalid, ok := errors.AsType[*aggregates.EventError](err)
	if !ok || !errors.Is(err, aggregates.ErrInvalidEvent) || !errors.Is(err, errOneWay) || invalid.GoType != "aggregates_test.Deposited" {
		t.Fatalf("error = %v, want an *EventError", err)
	}
	for e, err := range store.Stream(t.Context(), "account-alice") {
		t.Errorf("an event is stored: %v, %v", e, err)
	}
}

type oneWay struct{ eventstore.JSON }

var errOneWay = errors.New("one way")

func (oneWay) Decode([]byte, any) error { return errOneWay }

// A repository that was given another Type than its store says so instead of dropping events.
func TestAnEventThatCannotEvolveTheState(t *testing.T) {
	type Other struct{ Account }
	log := eventstore.NewMemory()
	accounts, store := open(t, log, AccountType)
	handle(t, accounts, "alice", Deposit{1})
	others := aggregates.NewRepository(store, aggregates.Type[Other]{Name: "account"})
	_, err := others.Load(t.Context(), "alice")
	if !errors.Is(err, aggregates.ErrInvalidEvent) || !strings.Contains(err.Error(), "Other") {
		t.Errorf("error = %v, want an *EventError", err)
	}
}

// A store that skips unknown types hides events from a fold; appending on top of what is left would never succeed.
func TestASkippedEventIsAGap(t *testing.T) {
	wide := AccountType
	wide.Events = map[string]Event{"opened": Opened{}, "deposited": Deposited{}, "withdrawn": Withdrawn{}, "audited": Audited{}}
	log := eventstore.NewMemory()
	writer, _ := open(t, log, wide)
	audit := DecideFunc(func(Account) ([]Event, error) { return []Event{Audited{}}, nil })
	handle(t, writer, "end", Deposit{1})
	handle(t, writer, "end", audit)
	handle(t, writer, "middle", audit)
	handle(t, writer, "middle", Deposit{1})

	store, err := eventstore.Open(t.Context(), log, eventstore.Config{UnknownTypes: eventstore.Skip}, AccountType)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]aggregates.GapError{
		"end":    {Stream: "account-end", Version: 2, Next: 2},
		"middle": {Stream: "account-middle", Version: 1, Next: 2},
	} {
		_, err := aggregates.NewRepository(store, AccountType).Handle(t.Context(), key, Deposit{1})
		gap, ok := errors.AsType[*aggregates.GapError](err)
		if !ok || !errors.Is(err, aggregates.ErrGap) || *gap != want {
			t.Errorf("%s: error = %v, want %+v", key, err, want)
		}
	}
}
