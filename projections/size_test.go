package projections

import (
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/eventstore"
)

func TestSizeOfCountsWhatAnEventRefersTo(t *testing.T) {
	type nested struct {
		Text  string
		Parts []string
		Bytes []byte
		ByKey map[string]any
		Next  *nested
		At    time.Time
	}
	text := strings.Repeat("x", 1000)
	empty := sizeOf(eventstore.Event{Data: nested{}})
	for name, data := range map[string]nested{
		"a string":             {Text: text},
		"a slice of strings":   {Parts: []string{text}},
		"bytes":                {Bytes: []byte(text)},
		"a value in a map":     {ByKey: map[string]any{"k": text}},
		"a key of a map":       {ByKey: map[string]any{text: nil}},
		"behind a pointer":     {Next: &nested{Text: text}},
		"behind two of a kind": {Next: &nested{Next: &nested{Text: text}}},
	} {
		if got := sizeOf(eventstore.Event{Data: data}) - empty; got < 1000 || got > 1600 {
			t.Errorf("%s of 1000 bytes counts %d", name, got)
		}
	}
	if got := sizeOf(eventstore.Event{Data: nested{At: time.Now()}}); got != empty {
		t.Errorf("a time counts %d", got-empty)
	}
	loop := &nested{}
	loop.Next = loop
	if got := sizeOf(eventstore.Event{Data: *loop}); got > empty+2000 {
		t.Errorf("a loop counts %d", got)
	}
}
