package eventstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

type depositedV1 struct{ Cents string }

var evolved = eventstore.Category{
	Name:   "account",
	Events: map[string]any{"deposited": Deposited{}, "withdrawn": Withdrawn{}},
	Old: eventstore.Old{
		"paid-in": eventstore.Renamed(Deposited{}),
		"deposited.v1": eventstore.From(func(old depositedV1) (Deposited, error) {
			n, err := strconv.Atoi(old.Cents)
			return Deposited{n}, err
		}),
		"withdrawn.v0": eventstore.FromRaw(func(data []byte) (Withdrawn, error) {
			n, err := strconv.Atoi(string(data))
			return Withdrawn{n}, err
		}),
	},
}

func TestUpcast(t *testing.T) {
	log := eventstore.NewMemory()
	store := open(t, log, evolved)
	raw(t, log, "account-a", "account.paid-in", `{"Amount":1}`)
	raw(t, log, "account-a", "account.deposited.v1", `{"Cents":"2"}`)
	raw(t, log, "account-a", "account.withdrawn.v0", `3`, commitlog.Header{Key: "content", Value: []byte("text/plain")})
	mustAppend(t, store, "account-a", Deposited{4})
	want := []any{Deposited{1}, Deposited{2}, Withdrawn{3}, Deposited{4}}
	if diff := cmp.Diff(want, dataOf(t, store.Stream(t.Context(), "account-a"))); diff != "" {
		t.Errorf("the stream (-want +got):\n%s", diff)
	}
	events, err := read(store.All(t.Context()))
	if err != nil || len(events) != 4 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if events[0].Type != "account.paid-in" || events[3].Type != "account.deposited" {
		t.Errorf("the types on the log are %q and %q", events[0].Type, events[3].Type)
	}
}

func TestDataThatCannotBeRead(t *testing.T) {
	for name, test := range map[string]struct {
		typ, value string
		header     commitlog.Header
		words      []string
	}{
		"not JSON":                {"account.deposited", `{`, commitlog.Header{}, []string{"account.deposited", "unexpected end"}},
		"another shape":           {"account.deposited", `{"Amount":"much"}`, commitlog.Header{}, []string{"eventstore_test.Deposited"}},
		"an upcast that fails":    {"account.deposited.v1", `{"Cents":"x"}`, commitlog.Header{}, []string{"account.deposited.v1", `parsing "x"`}},
		"an old type that is not": {"account.deposited.v1", `7`, commitlog.Header{}, []string{"depositedV1"}},
		"another content type":    {"account.deposited", `x`, commitlog.Header{Key: "content", Value: []byte("text/x")}, []string{`"text/x"`, "JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := eventstore.NewMemory()
			store := open(t, log, evolved)
			mustAppend(t, store, "account-a", Deposited{1})
			raw(t, log, "account-a", test.typ, test.value, test.header)
			mustAppend(t, store, "account-a", Deposited{3})
			for what, events := range map[string]func() ([]eventstore.Event, error){
				"stream": func() ([]eventstore.Event, error) { return read(store.Stream(t.Context(), "account-a")) },
				"all":    func() ([]eventstore.Event, error) { return read(store.All(t.Context())) },
				"tail":   func() ([]eventstore.Event, error) { return read(store.Tail(t.Context())) },
			} {
				got, err := events()
				detail, ok := errors.AsType[*eventstore.DecodeError](err)
				if len(got) != 1 || !ok || !errors.Is(err, eventstore.ErrDecode) {
					t.Fatalf("%s: %d events before %v", what, len(got), err)
				}
				if detail.Type != test.typ || detail.Stream != "account-a" || detail.Version != 2 || detail.Position.Offset != 1 {
					t.Errorf("%s: the details are %+v", what, detail)
				}
				wantWords(t, err, append(test.words, "account-a", "version 2", "@1")...)
			}
		})
	}
}

// numbers is a codec of its own format.
type numbers struct{}

func (numbers) ContentType() string { return "text/plain" }

func (numbers) Encode(v any) ([]byte, error) {
	d, ok := v.(Deposited)
	if !ok {
		return nil, fmt.Errorf("%T is no number", v)
	}
	return strconv.AppendInt(nil, int64(d.Amount), 10), nil
}

func (numbers) Decode(data []byte, v any) error {
	n, err := strconv.Atoi(string(data))
	if d, ok := v.(*Deposited); ok {
		d.Amount = n
	}
	return err
}

func TestCodec(t *testing.T) {
	log := eventstore.NewMemory()
	json := open(t, log, account)
	mustAppend(t, json, "account-a", Deposited{1})

	category := account
	category.Codec = numbers{}
	text := open(t, log, category)
	mustAppend(t, text, "account-a", Deposited{2})
	want := []any{Deposited{1}, Deposited{2}}
	if diff := cmp.Diff(want, dataOf(t, text.Stream(t.Context(), "account-a"))); diff != "" {
		t.Errorf("a category with a codec also reads the JSON of before (-want +got):\n%s", diff)
	}
	_, err := read(json.Stream(t.Context(), "account-a"))
	if !errors.Is(err, eventstore.ErrDecode) {
		t.Fatalf("a category without the codec: %v", err)
	}
	wantWords(t, err, `"text/plain"`, "version 2")

	_, err = text.Append(t.Context(), "account-a", eventstore.Any, Withdrawn{1})
	if err == nil {
		t.Fatal("an event that its codec cannot write was appended")
	}
	wantWords(t, err, "account-a", "account.withdrawn", "is no number")
}

// Members of the data that the type does not have are left alone, as encoding/json does.
func TestJSONIsTheDefault(t *testing.T) {
	log := eventstore.NewMemory()
	store := open(t, log, account)
	mustAppend(t, store, "account-a", Deposited{7})
	topic, err := store.Topic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range log.Stream(t.Context(), topic, commitlog.StreamQuery{Stream: "account-a"}) {
		var got map[string]int
		if err != nil || json.Unmarshal(r.Value, &got) != nil || got["Amount"] != 7 {
			t.Errorf("stored %q, %v", r.Value, err)
		}
		for _, h := range r.Headers {
			if h.Key == "content" {
				t.Errorf("JSON is marked as %q", h.Value)
			}
		}
	}
}
