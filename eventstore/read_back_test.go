package eventstore_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strandlog/strand/eventstore"
)

type listed struct {
	Items []string
	draft string // JSON does not keep it
}

// fussy is a codec that cannot read every event that it writes.
type fussy struct{ eventstore.JSON }

var errFussy = errors.New("not today")

func (fussy) Decode(data []byte, v any) error {
	if string(data) == `{"Items":null}` {
		return errFussy
	}
	return json.Unmarshal(data, v)
}

func TestReadBackAnswersWhatReadersWillSee(t *testing.T) {
	lists := eventstore.Category{Name: "list", Events: map[string]any{"listed": listed{}}}
	for name, codec := range map[string]eventstore.Codec{"JSON": nil, "another codec": fussy{}} {
		t.Run(name, func(t *testing.T) {
			lists.Codec = codec
			store := open(t, eventstore.NewMemory(), lists)
			items := []string{"tea"}
			write := eventstore.Write{Stream: "list-a", Events: []any{listed{Items: items, draft: "lost"}}, ReadBack: true}
			done, err := store.AppendAll(t.Context(), write)
			if err != nil {
				t.Fatal(err)
			}
			items[0] = "spoiled"
			if diff := cmp.Diff(any(listed{Items: []string{"tea"}}), done[0].Events[0].Data, cmp.AllowUnexported(listed{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadBackRefusesWhatCannotBeRead(t *testing.T) {
	lists := eventstore.Category{Name: "list", Events: map[string]any{"listed": listed{}}, Codec: fussy{}}
	store := open(t, eventstore.NewMemory(), lists)
	write := eventstore.Write{Stream: "list-a", Events: []any{listed{Items: []string{"tea"}}, listed{}}, ReadBack: true}
	_, err := store.AppendAll(t.Context(), write)
	invalid, ok := errors.AsType[*eventstore.CodecError](err)
	if !ok || !errors.Is(err, eventstore.ErrCodec) || !errors.Is(err, errFussy) || invalid.Stream != "list-a" || invalid.GoType != "eventstore_test.listed" {
		t.Fatalf("error = %v, want a *CodecError", err)
	}
	wantWords(t, err, "list-a", "reading back", "list.listed")
	for e, err := range store.Stream(t.Context(), "list-a") {
		t.Errorf("an event is stored: %v, %v", e, err)
	}
}
