package eventstore_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func TestOpenRefusesSchemas(t *testing.T) {
	named := func(name string, event any) eventstore.Category {
		return eventstore.Category{Name: "account", Events: map[string]any{name: event}}
	}
	old := func(name string, u eventstore.Upcast) eventstore.Category {
		return eventstore.Category{Name: "account", Events: map[string]any{"deposited": Deposited{}}, Old: eventstore.Old{name: u}}
	}
	for name, test := range map[string]struct {
		schemas []eventstore.Schema
		words   []string
	}{
		"two schemas with one category":     {[]eventstore.Schema{account, named("opened", struct{}{})}, []string{`"account"`, "two schemas", "into one"}},
		"a nil schema":                      {[]eventstore.Schema{nil}, []string{"schema is nil"}},
		"a category without a name":         {[]eventstore.Schema{eventstore.Category{}}, []string{"lower-case letters"}},
		"a category with a dash":            {[]eventstore.Schema{eventstore.Category{Name: "bank-account"}}, []string{`"bank-account"`, "lower-case letters, digits and '_'"}},
		"one type under two names":          {[]eventstore.Schema{eventstore.Category{Name: "account", Events: map[string]any{"a": Deposited{}, "b": Deposited{}}}}, []string{"eventstore_test.Deposited", `"account.a"`, "Renamed(eventstore_test.Deposited{})"}},
		"one type in two categories":        {[]eventstore.Schema{account, eventstore.Category{Name: "loan", Events: map[string]any{"paid": Deposited{}}}}, []string{`"loan"`, `"account.deposited"`, "define another one"}},
		"a pointer":                         {[]eventstore.Schema{named("deposited", &Deposited{})}, []string{"*eventstore_test.Deposited is a pointer", "write eventstore_test.Deposited{} instead of &eventstore_test.Deposited{}"}},
		"a nil event":                       {[]eventstore.Schema{named("deposited", nil)}, []string{`"deposited"`, "nil", "zero value"}},
		"an event without a name":           {[]eventstore.Schema{named("", Deposited{})}, []string{"a name consists of"}},
		"an event with a bad name":          {[]eventstore.Schema{named("Deposited", Deposited{})}, []string{`"Deposited"`, "lower-case letters"}},
		"an old name that is bad":           {[]eventstore.Schema{old("Paid", eventstore.Renamed(Deposited{}))}, []string{`"Paid"`, "lower-case letters"}},
		"an old name that is written":       {[]eventstore.Schema{old("deposited", eventstore.Renamed(Deposited{}))}, []string{`"deposited"`, "in Events and in Old"}},
		"an old name without an upcast":     {[]eventstore.Schema{old("paid-in", eventstore.Upcast{})}, []string{`"paid-in"`, "Renamed, From or FromRaw"}},
		"an old name renamed to nothing":    {[]eventstore.Schema{old("paid-in", eventstore.Renamed(nil))}, []string{`"paid-in"`, "Renamed, From or FromRaw"}},
		"an upcast without a function":      {[]eventstore.Schema{old("paid-in", eventstore.From[Withdrawn, Deposited](nil))}, []string{`"paid-in"`, "Renamed, From or FromRaw"}},
		"a raw upcast without a function":   {[]eventstore.Schema{old("paid-in", eventstore.FromRaw[Deposited](nil))}, []string{`"paid-in"`, "Renamed, From or FromRaw"}},
		"an old name renamed to a stranger": {[]eventstore.Schema{old("paid-in", eventstore.Renamed(Withdrawn{}))}, []string{"eventstore_test.Withdrawn", "add it there"}},
		"an old name read as a pointer":     {[]eventstore.Schema{old("paid-in", eventstore.Renamed(&Deposited{}))}, []string{"the pointer *eventstore_test.Deposited", "read it as eventstore_test.Deposited"}},
		"an old name of another category's": {[]eventstore.Schema{account, eventstore.Category{Name: "loan", Old: eventstore.Old{"paid": eventstore.Renamed(Deposited{})}}}, []string{`"loan"`, "not among the category's Events"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := eventstore.NewMemory()
			_, err := eventstore.Open(t.Context(), log, eventstore.Config{}, test.schemas...)
			if !errors.Is(err, eventstore.ErrSchema) {
				t.Fatalf("got %v, want ErrSchema", err)
			}
			if _, ok := errors.AsType[*eventstore.SchemaError](err); !ok {
				t.Errorf("the error is %T", err)
			}
			wantWords(t, err, test.words...)
			if _, err := log.Topic(t.Context(), "events"); !errors.Is(err, eventstore.ErrUnknownTopic) {
				t.Errorf("a store that was refused has left a topic behind: %v", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	names := store.Names()
	if len(names) != 2 || names[reflect.TypeFor[Deposited]()] != "account.deposited" {
		t.Errorf("the names are %v", names)
	}
	clear(names)
	if len(store.Names()) != 2 {
		t.Error("the caller holds the store's own map")
	}
}

func TestOpenRefusesTopics(t *testing.T) {
	_, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Topic: "a b"}, account)
	if !errors.Is(err, eventstore.ErrInvalidName) {
		t.Errorf("a bad name: %v", err)
	}
	_, err = eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Partitions: 5000}, account)
	if !errors.Is(err, eventstore.ErrInvalid) {
		t.Errorf("too many partitions: %v", err)
	}
	plain := &hookedLog{Log: eventstore.NewMemory(), topic: func(t commitlog.Topic) commitlog.Topic { t.Kind = "plain"; return t }}
	open(t, plain.Log, account)
	_, err = eventstore.Open(t.Context(), plain, eventstore.Config{}, account)
	if !errors.Is(err, eventstore.ErrInvalid) {
		t.Fatalf("a plain topic: %v", err)
	}
	wantWords(t, err, `"events"`, `"plain"`, `"versioned"`)
}

// A topic that was deleted and created again is not the store's.
func TestTopicThatWasReplaced(t *testing.T) {
	replaced := false
	log := &hookedLog{Log: eventstore.NewMemory(), topic: func(t commitlog.Topic) commitlog.Topic {
		if replaced {
			t.ID[0]++
		}
		return t
	}}
	store := open(t, log, account)
	replaced = true
	if _, err := store.End(t.Context()); !errors.Is(err, eventstore.ErrUnreachable) {
		t.Errorf("the end: %v", err)
	}
	if _, err := read(store.All(t.Context())); !errors.Is(err, eventstore.ErrUnreachable) {
		t.Errorf("all: %v", err)
	}
}
