package eventstore_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
	"pgregory.net/rapid"
)

const (
	topicID = "0198d2b0-0000-7000-8000-000000000001"
	logID   = "0198d2b0-0000-7000-8000-000000000002"
)

func aPosition() eventstore.Position {
	return eventstore.Position{Topic: "events", TopicID: uuid.MustParse(topicID), LogID: uuid.MustParse(logID), Partition: 3, Offset: 1207, Epoch: 9}
}

func TestPositionText(t *testing.T) {
	p := aPosition()
	if got := p.String(); got != "events/3@1207" {
		t.Errorf("in short: %s", got)
	}
	text, err := p.MarshalText()
	if want := "events/3@1207:9:" + topicID + ":" + logID; err != nil || string(text) != want {
		t.Errorf("in full: %s, %v, want %s", text, err, want)
	}
	var short eventstore.Position
	if err := short.UnmarshalText([]byte("events/3@1207")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(eventstore.Position{Topic: "events", Partition: 3, Offset: 1207}, short); diff != "" {
		t.Errorf("the short form (-want +got):\n%s", diff)
	}
	if text, err := (eventstore.Position{}).MarshalText(); err != nil || string(text) != "" {
		t.Errorf("no position: %q, %v", text, err)
	}
	if err := short.UnmarshalText(nil); err != nil || !short.IsZero() {
		t.Errorf("no text: %+v, %v", short, err)
	}
}

func TestPositionTextIsRefused(t *testing.T) {
	full := "events/3@1207:9:" + topicID + ":" + logID
	for _, text := range []string{
		" ", "events", "events/3", "events@3", "/3@1", "events/@1", "events/3@", "events/-1@1", "events/3@-1", "events/+3@1", "events/03@1", "events/3@01",
		"events/1024@1", "events/2147483648@1", "events/3@9223372036854775808", "events/3@1 ", "a b/3@1", "ä/3@1", "events/3/4@1", "events/3@1@2", "events/3@1:",
		"events/3@1:9", "events/3@1:9:" + topicID, full + ":", full + ":1", strings.ToUpper(full), "events/3@1:9:" + strings.ReplaceAll(topicID, "-", "") + ":" + logID,
		"events/3@1:x:" + topicID + ":" + logID, "events/3@1:18446744073709551616:" + topicID + ":" + logID, strings.Repeat("a", 101) + "/3@1", full + strings.Repeat("0", 1<<20),
	} {
		p := aPosition()
		err := p.UnmarshalText([]byte(text))
		if !errors.Is(err, eventstore.ErrText) || !p.IsZero() {
			t.Errorf("%.60q gives %+v, %v", text, p, err)
			continue
		}
		if detail, ok := errors.AsType[*eventstore.TextError](err); !ok || detail.What != "position" || len(err.Error()) > 500 {
			t.Errorf("%.60q: %T of %d bytes", text, err, len(err.Error()))
		}
	}
	for _, p := range []eventstore.Position{{Offset: 1}, {Topic: "a b"}, {Topic: "events", Partition: -1}, {Topic: "events", Offset: -1}, {Topic: "events", Partition: 1024}} {
		if text, err := p.MarshalText(); !errors.Is(err, eventstore.ErrText) {
			t.Errorf("%+v is written as %q, %v", p, text, err)
		}
	}
}

func TestPositionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := eventstore.Position{
			Topic:     rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,99}`).Draw(t, "topic"),
			Partition: rapid.Int32Range(0, 1023).Draw(t, "partition"),
			Offset:    rapid.Int64Min(0).Draw(t, "offset"),
			Epoch:     rapid.Uint64().Draw(t, "epoch"),
			TopicID:   drawUUID(t, "topic id"),
			LogID:     drawUUID(t, "log id"),
		}
		var got eventstore.Position
		roundTrip(t, want, &got)
		if got != want {
			t.Errorf("%+v comes back as %+v", want, got)
		}
	})
}

func drawUUID(t *rapid.T, label string) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

// roundTrip takes a value through JSON and an HTTP header.
func roundTrip(t *rapid.T, from encoding.TextMarshaler, to encoding.TextUnmarshaler) {
	t.Helper()
	data, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
	text, err := from.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var request strings.Builder
	sent := httptest.NewRequest(http.MethodGet, "/", nil)
	sent.Header.Set("Strand-Position", string(text))
	if err := sent.Write(&request); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(request.String(), "Strand-Position: "+string(text)+"\r\n") {
		t.Fatalf("the header was changed: %q", request.String())
	}
	if err := to.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
}

// A text is read as a position only if the position is written as that text, or is its short form.
func FuzzPosition(f *testing.F) {
	f.Add("events/3@1207")
	f.Add("events/3@1207:9:" + topicID + ":" + logID)
	f.Add("")
	f.Add("a/0@0:0:" + uuid.Nil.String() + ":" + uuid.Nil.String())
	f.Fuzz(func(t *testing.T, text string) {
		var p eventstore.Position
		if err := p.UnmarshalText([]byte(text)); err != nil {
			if !errors.Is(err, eventstore.ErrText) || !p.IsZero() {
				t.Fatalf("%q gives %+v, %v", text, p, err)
			}
			return
		}
		again, err := p.MarshalText()
		if err != nil {
			t.Fatalf("%q was read as %+v, which has no text: %v", text, p, err)
		}
		if string(again) != text && (p.IsZero() || p.String() != text) {
			t.Fatalf("%q was read as %q", text, again)
		}
		var q eventstore.Position
		if err := q.UnmarshalText(again); err != nil || q != p {
			t.Fatalf("%q comes back as %+v, %v", again, q, err)
		}
		_ = eventstore.Cursor{}.After(p).Has(p)
	})
}

func TestPositionCheck(t *testing.T) {
	topic := commitlog.Topic{Name: "events", ID: uuid.MustParse(topicID), LogID: uuid.MustParse(logID), Partitions: make([]commitlog.PartitionInfo, 4)}
	for name, test := range map[string]struct {
		change func(*eventstore.Position)
		words  []string // none: reachable
	}{
		"the topic's own":     {func(*eventstore.Position) {}, nil},
		"beyond the end":      {func(p *eventstore.Position) { p.Offset = 1 << 40 }, nil}, // it may yet be reached
		"known by name":       {func(p *eventstore.Position) { p.TopicID, p.LogID = uuid.Nil, uuid.Nil }, nil},
		"another topic":       {func(p *eventstore.Position) { p.Topic = "orders" }, []string{"orders/3@1207", `"events"`, `"orders"`}},
		"another incarnation": {func(p *eventstore.Position) { p.TopicID[0]++ }, []string{"events/3@1207", "deleted and created again"}},
		"another log":         {func(p *eventstore.Position) { p.LogID[0]++ }, []string{"events/3@1207", "restored from a backup"}},
		"another partition":   {func(p *eventstore.Position) { p.Partition = 4 }, []string{"events/4@1207", "4 partitions"}},
		"an impossible one":   {func(p *eventstore.Position) { p.Partition = -1 }, []string{"4 partitions"}},
		"none":                {func(p *eventstore.Position) { *p = eventstore.Position{} }, []string{`topic ""`}},
	} {
		t.Run(name, func(t *testing.T) {
			p := aPosition()
			test.change(&p)
			err := p.Check(topic)
			if len(test.words) == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*eventstore.UnreachableError](err); !ok || !errors.Is(err, eventstore.ErrUnreachable) {
				t.Fatalf("got %v", err)
			}
			wantWords(t, err, test.words...)
		})
	}
}
