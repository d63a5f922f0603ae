package eventstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestAppendRefuses(t *testing.T) {
	type unregistered struct{ N int }
	type loanPaid struct{ N int }
	type huge struct{ Text string }
	schemas := []eventstore.Schema{
		account,
		eventstore.Category{Name: "loan", Events: map[string]any{"paid": loanPaid{}}},
		eventstore.Category{Name: "text", Events: map[string]any{"written": huge{}, "broken": struct{ F func() }{}}},
	}
	id := uuid.New()
	for name, test := range map[string]struct {
		write eventstore.Write
		want  error // nil: any
		words []string
	}{
		"no events":               {eventstore.Write{Stream: "account-a"}, eventstore.ErrNothing, []string{"account-a"}},
		"an unregistered type":    {eventstore.Write{Stream: "account-a", Events: []any{unregistered{}}}, eventstore.ErrNotRegistered, []string{"account-a", "eventstore_test.unregistered", `the Events of category "account"`}},
		"another category's type": {eventstore.Write{Stream: "account-a", Events: []any{loanPaid{}}}, eventstore.ErrNotRegistered, []string{"account-a", "loanPaid", `category "loan"`}},
		"a pointer":               {eventstore.Write{Stream: "account-a", Events: []any{&Deposited{}}}, eventstore.ErrNotRegistered, []string{"*eventstore_test.Deposited", "leave the & out"}},
		"a pointer to a stranger": {eventstore.Write{Stream: "account-a", Events: []any{&unregistered{}}}, eventstore.ErrNotRegistered, []string{"*eventstore_test.unregistered", "no schema"}},
		"nil":                     {eventstore.Write{Stream: "account-a", Events: []any{nil}}, eventstore.ErrNotRegistered, []string{"it is nil"}},
		"a slice":                 {eventstore.Write{Stream: "account-a", Events: []any{[]any{Deposited{}}}}, eventstore.ErrNotRegistered, []string{"[]interface {}", "events..."}},
		"the second of two":       {eventstore.Write{Stream: "account-a", Events: []any{Deposited{}, unregistered{}}}, eventstore.ErrNotRegistered, []string{"unregistered"}},
		"an unknown category":     {eventstore.Write{Stream: "card-a", Events: []any{Deposited{}}}, eventstore.ErrUnknownCategory, []string{`"card-a"`, "give its schema to Open"}},
		"a name without a dash":   {eventstore.Write{Stream: "account", Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{`"account"`, "category-key"}},
		"a name without a key":    {eventstore.Write{Stream: "account-", Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{`"account-"`, "category-key"}},
		"a name without category": {eventstore.Write{Stream: "-a", Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{`"-a"`, "category"}},
		"a bad category":          {eventstore.Write{Stream: "Account-a", Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{`"Account"`, "lower-case"}},
		"no name":                 {eventstore.Write{Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{"stream"}},
		"a control character":     {eventstore.Write{Stream: "account-a\n", Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{`account-a\n`, "control character"}},
		"a long name":             {eventstore.Write{Stream: "account-" + strings.Repeat("a", 250), Events: []any{Deposited{}}}, eventstore.ErrInvalidName, []string{"258 bytes exceed 255"}},
		"an oversized event":      {eventstore.Write{Stream: "text-a", Events: []any{huge{strings.Repeat("a", 1<<20)}}}, eventstore.ErrTooLarge, []string{"text.written", "text-a", "1048587 value bytes, at most 1048576", "split it"}},
		"oversized metadata":      {eventstore.Write{Stream: "account-a", Events: []any{Deposited{}}, Metadata: eventstore.Metadata{Actor: strings.Repeat("a", 64<<10)}}, eventstore.ErrTooLarge, []string{"header bytes"}},
		"a bad expectation":       {eventstore.Write{Stream: "account-a", Expected: -7, Events: []any{Deposited{}}}, eventstore.ErrInvalid, []string{"account-a", "-7"}},
		"too few ids":             {eventstore.Write{Stream: "account-a", Events: []any{Deposited{}, Deposited{}}, IDs: []uuid.UUID{id}}, eventstore.ErrInvalid, []string{"account-a", "1 ids for 2 events"}},
		"an id twice":             {eventstore.Write{Stream: "account-a", Events: []any{Deposited{}, Deposited{}}, IDs: []uuid.UUID{id, id}}, eventstore.ErrInvalid, []string{"account-a", id.String()}},
		"a zero id":               {eventstore.Write{Stream: "account-a", Events: []any{Deposited{}}, IDs: make([]uuid.UUID, 1)}, eventstore.ErrInvalid, []string{"account-a", "zero"}},
		"what has no JSON":        {eventstore.Write{Stream: "text-a", Events: []any{struct{ F func() }{}}}, nil, []string{"text-a", "text.broken", "unsupported type"}},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, eventstore.NewMemory(), schemas...)
			_, err := store.AppendAll(t.Context(), eventstore.Write{Stream: "account-before", Events: []any{Deposited{1}}}, test.write)
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			wantWords(t, err, test.words...)
			if data := dataOf(t, store.All(t.Context())); len(data) != 0 {
				t.Errorf("the store holds %v", data)
			}
		})
	}
	if _, err := open(t, eventstore.NewMemory()).AppendAll(t.Context()); !errors.Is(err, eventstore.ErrNothing) {
		t.Errorf("no writes: %v", err)
	}
}

// What the log answers reaches the caller with its details.
func TestAppendConflict(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	mustAppend(t, store, "account-a", Deposited{1}, Deposited{2})
	_, err := store.Append(t.Context(), "account-a", 1, Deposited{3})
	conflict, ok := errors.AsType[*eventstore.ConflictError](err)
	if !ok || !errors.Is(err, eventstore.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(eventstore.ConflictError{Topic: "events", Stream: "account-a", Expected: 1, Actual: 2}, *conflict); diff != "" {
		t.Errorf("the details (-want +got):\n%s", diff)
	}
}

func TestAppendedTellsWhatIsStored(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	ctx := eventstore.WithMetadata(t.Context(), eventstore.Metadata{Actor: "bob", Tags: []string{"vip", "", "vip"}})
	done, err := store.Append(ctx, "account-a", eventstore.NoStream, Deposited{1}, Withdrawn{2})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := read(store.Stream(t.Context(), "account-a"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stored, done.Events); diff != "" {
		t.Errorf("appended (-as read +as told):\n%s", diff)
	}
	if done.Stream != "account-a" || done.Version != 2 || done.Position != stored[1].Position || done.Duplicate {
		t.Errorf("appended %+v", done)
	}
}

func TestAppendUnderACommandID(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	write := eventstore.Write{Stream: "account-a", Events: []any{Deposited{1}, Deposited{2}}, Metadata: eventstore.Metadata{CommandID: "c"}}
	first, err := store.AppendAll(t.Context(), write)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, store, "account-a", Deposited{3})
	again, err := store.AppendAll(t.Context(), write)
	if err != nil {
		t.Fatal(err)
	}
	want := []eventstore.Appended{{Stream: "account-a", Version: 2, Position: first[0].Position, Duplicate: true}}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("the second time (-want +got):\n%s", diff)
	}
	events, err := read(store.Stream(t.Context(), "account-a", eventstore.ByCommand("c")))
	if err != nil || len(events) != 2 || events[1].Metadata.CommandID != "c" {
		t.Errorf("the command's events are %+v, %v", events, err)
	}
}

// An append whose answer was lost is answered, when it is sent again, as its own first use of the command id.
func TestAppendWhoseAnswerWasLost(t *testing.T) {
	log := &hookedLog{Log: eventstore.NewMemory()}
	store := open(t, log, account)
	log.append = func(_ commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
		if done, err := next(); err != nil {
			return done, err
		}
		return next()
	}
	for _, write := range []eventstore.Write{
		{Stream: "account-a", Events: []any{Deposited{1}, Deposited{2}}, Metadata: eventstore.Metadata{CommandID: "c"}},
		{Stream: "account-b", Events: []any{Deposited{1}, Deposited{2}}, IDs: []uuid.UUID{uuid.New(), uuid.New()}},
	} {
		done, err := store.AppendAll(t.Context(), write)
		if err != nil {
			t.Fatal(err)
		}
		stored, err := read(store.Stream(t.Context(), write.Stream))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(stored, done[0].Events); diff != "" || done[0].Duplicate || len(stored) != 2 {
			t.Errorf("stream %q (-as read +as told):\n%s", write.Stream, diff)
		}
	}
}

// What an IndefiniteError names is enough to try again.
func TestAppendAgainAfterAnIndefiniteOne(t *testing.T) {
	for _, stored := range []bool{true, false} {
		log := &hookedLog{Log: eventstore.NewMemory()}
		store := open(t, log, account)
		log.append = func(a commitlog.Append, next func() (commitlog.Appended, error)) (commitlog.Appended, error) {
			if stored {
				if _, err := next(); err != nil {
					return commitlog.Appended{}, err
				}
			}
			unknown := &commitlog.IndefiniteError{Topic: "events", Stream: a.Writes[0].Stream}
			for _, e := range a.Writes[0].Events {
				unknown.IDs = append(unknown.IDs, e.ID)
			}
			return commitlog.Appended{}, unknown
		}
		write := eventstore.Write{Stream: "account-a", Expected: eventstore.NoStream, Events: []any{Deposited{1}, Deposited{2}}}
		_, err := store.AppendAll(t.Context(), write)
		indefinite, ok := errors.AsType[*eventstore.IndefiniteError](err)
		if !ok || !errors.Is(err, eventstore.ErrIndefinite) {
			t.Fatalf("got %v", err)
		}
		log.append, write.IDs = nil, indefinite.IDs
		if _, err := store.AppendAll(t.Context(), write); err != nil {
			t.Fatalf("again, stored: %t: %v", stored, err)
		}
		if diff := cmp.Diff([]any{Deposited{1}, Deposited{2}}, dataOf(t, store.All(t.Context()))); diff != "" {
			t.Errorf("stored: %t (-want +got):\n%s", stored, diff)
		}
	}
}
