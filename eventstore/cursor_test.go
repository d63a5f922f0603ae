package eventstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/strandlog/strand/eventstore"
	"pgregory.net/rapid"
)

func aCursor(next ...int64) eventstore.Cursor {
	return eventstore.Cursor{Topic: "events", TopicID: uuid.MustParse(topicID), LogID: uuid.MustParse(logID), Next: next}
}

func TestCursorText(t *testing.T) {
	for want, c := range map[string]eventstore.Cursor{
		"events@12,0,7:" + topicID + ":" + logID: aCursor(12, 0, 7),
		"events@:" + topicID + ":" + logID:       aCursor(),
		"":                                       {},
	} {
		text, err := c.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%+v is written as %q, %v, want %q", c, text, err, want)
		}
		var got eventstore.Cursor
		if err := got.UnmarshalText(text); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestCursorTextIsRefused(t *testing.T) {
	ids := ":" + topicID + ":" + logID
	for _, text := range []string{
		" ", "events", "events@1", "@1" + ids, "a b@1" + ids, "events@1,", "events@,1" + ids, "events@1,,2" + ids, "events@-1" + ids, "events@+1" + ids, "events@01" + ids,
		"events@9223372036854775808" + ids, "events@1" + ids + ":", "events@1" + strings.ToUpper(ids), "events@1@2" + ids, "events@1 " + ids,
		"events@" + strings.Repeat("1,", 1024) + "1" + ids, "events@" + strings.Repeat("1", 1<<20) + ids,
	} {
		c := aCursor(1)
		err := c.UnmarshalText([]byte(text))
		if !errors.Is(err, eventstore.ErrText) || !c.IsZero() {
			t.Errorf("%.60q gives %+v, %v", text, c, err)
			continue
		}
		if detail, ok := errors.AsType[*eventstore.TextError](err); !ok || detail.What != "cursor" || len(err.Error()) > 500 {
			t.Errorf("%.60q: %T of %d bytes", text, err, len(err.Error()))
		}
	}
	for _, c := range []eventstore.Cursor{{Next: []int64{1}}, aCursor(-1), aCursor(make([]int64, 1025)...), {Topic: "a b"}} {
		if text, err := c.MarshalText(); !errors.Is(err, eventstore.ErrText) {
			t.Errorf("%.60q is written as %.60q, %v", c, text, err)
		}
	}
	if text, err := aCursor(make([]int64, 1024)...).MarshalText(); err != nil || new(eventstore.Cursor).UnmarshalText(text) != nil {
		t.Errorf("a cursor of 1024 partitions: %.60q, %v", text, err)
	}
}

func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := eventstore.Cursor{
			Topic:   rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,99}`).Draw(t, "topic"),
			TopicID: drawUUID(t, "topic id"),
			LogID:   drawUUID(t, "log id"),
			Next:    rapid.SliceOfN(rapid.Int64Min(0), 0, 100).Draw(t, "next"),
		}
		var got eventstore.Cursor
		roundTrip(t, want, &got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("events@12,0,7:" + topicID + ":" + logID)
	f.Add("events@:" + topicID + ":" + logID)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		var c eventstore.Cursor
		if err := c.UnmarshalText([]byte(text)); err != nil {
			if !errors.Is(err, eventstore.ErrText) || !c.IsZero() {
				t.Fatalf("%q gives %+v, %v", text, c, err)
			}
			return
		}
		if again, err := c.MarshalText(); err != nil || string(again) != text {
			t.Fatalf("%q was read as %q, %v", text, again, err)
		}
	})
}

func TestCursorAfter(t *testing.T) {
	at := func(partition int32, offset int64) eventstore.Position {
		p := aPosition()
		p.Partition, p.Offset = partition, offset
		return p
	}
	nameless := at(1, 5)
	nameless.TopicID, nameless.LogID = uuid.Nil, uuid.Nil
	recreated := at(1, 5)
	recreated.TopicID[0]++
	for name, test := range map[string]struct {
		from eventstore.Cursor
		at   eventstore.Position
		want eventstore.Cursor
	}{
		"the first event of a topic":         {eventstore.Cursor{}, at(2, 0), aCursor(0, 0, 1)},
		"forward":                            {aCursor(1, 2, 3), at(1, 2), aCursor(1, 3, 3)},
		"never back":                         {aCursor(1, 2, 3), at(1, 0), aCursor(1, 2, 3)},
		"a partition that was not read yet":  {aCursor(1), at(3, 7), aCursor(1, 0, 0, 8)},
		"a position that is known by name":   {aCursor(1, 2, 3), nameless, aCursor(1, 6, 3)},
		"a topic that was created again":     {aCursor(1, 2, 3), recreated, eventstore.Cursor{Topic: "events", TopicID: recreated.TopicID, LogID: recreated.LogID, Next: []int64{0, 6}}},
		"a position that no topic can have":  {aCursor(1, 2, 3), at(-1, 7), aCursor(1, 2, 3)},
		"a partition that no topic can have": {aCursor(1, 2, 3), at(1<<30, 7), aCursor(1, 2, 3)},
	} {
		t.Run(name, func(t *testing.T) {
			before := test.from.String()
			got := test.from.After(test.at)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for i := range got.Next {
				got.Next[i] = 99
			}
			if test.from.String() != before {
				t.Errorf("the cursor before shares memory with the one after: %s", test.from)
			}
		})
	}
}

func TestCursorHas(t *testing.T) {
	c := aCursor(0, 3)
	for text, want := range map[string]bool{"events/0@0": false, "events/1@2": true, "events/1@3": false, "events/2@0": false} {
		var p eventstore.Position
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := c.Has(p); got != want {
			t.Errorf("%s has %s: %t", c, text, got)
		}
	}
	if c.Has(eventstore.Position{Partition: -1}) {
		t.Error("a cursor has a position that no topic can have")
	}
}

// A cursor that follows All from any place on ends where the topic does.
func TestCursorReachesTheEnd(t *testing.T) {
	store := open(t, eventstore.NewMemory(), account)
	for i := range 50 {
		mustAppend(t, store, fmt.Sprintf("account-%d", i), Deposited{i})
	}
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c eventstore.Cursor
	for e, err := range store.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Has(e.Position) || !end.Has(e.Position) {
			t.Errorf("%s lies before %s, or behind %s", e.Position, c, end)
		}
		c = c.After(e.Position)
	}
	if diff := cmp.Diff(end, c); diff != "" {
		t.Errorf("(-end +followed):\n%s", diff)
	}
}
