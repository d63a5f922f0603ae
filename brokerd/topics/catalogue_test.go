package topics

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// ramLog is a catalogue topic in RAM. It fails every append after failAfter more.
type ramLog struct {
	events    []Event
	failAfter int
}

var errCrash = errors.New("crash of the test")

func (l *ramLog) Append(_ context.Context, stream string, expected int64, typ string, data []byte) error {
	if l.failAfter == 0 {
		return errCrash
	}
	l.failAfter--
	version := int64(0)
	for _, e := range l.events {
		if e.Stream == stream {
			version = e.Version
		}
	}
	if version != expected {
		return ErrConflict
	}
	l.events = append(l.events, Event{Stream: stream, Version: version + 1, Type: typ, Data: data})
	return nil
}

func (l *ramLog) Events(context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for _, e := range slices.Clone(l.events) {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l *ramLog) Live(ctx context.Context) iter.Seq2[Event, error] { return l.Events(ctx) }

// ramShards remembers what runs and what keeps data.
type ramShards struct {
	running, data map[uuid.UUID]bool
	altered       []Topic
	fail          error
}

func newRAMShards() *ramShards {
	return &ramShards{running: map[uuid.UUID]bool{}, data: map[uuid.UUID]bool{}}
}

func (s *ramShards) Start(_ context.Context, t Topic) error {
	if s.fail != nil {
		return s.fail
	}
	s.running[t.ID], s.data[t.ID] = true, true
	return nil
}

func (s *ramShards) Alter(t Topic) { s.altered = append(s.altered, t) }

func (s *ramShards) Stop(_ context.Context, t Topic) error {
	delete(s.running, t.ID)
	return s.fail
}

func (s *ramShards) Remove(_ context.Context, t Topic) error {
	delete(s.running, t.ID)
	delete(s.data, t.ID)
	return s.fail
}

func open(t *testing.T, log *ramLog, shards *ramShards) *Catalogue {
	t.Helper()
	c, err := Open(t.Context(), log, shards, Config{Clock: func() time.Time { return time.UnixMilli(0) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func names(c *Catalogue) (names []string) {
	for _, t := range c.List() {
		names = append(names, t.Name)
	}
	return names
}

func TestLife(t *testing.T) {
	log, shards := &ramLog{failAfter: 100}, newRAMShards()
	c := open(t, log, shards)
	first, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	if first.Partitions != PartitionsDefault || first.Shards != 1 || first.Kind != wire.KindVersioned || first.State != Ready {
		t.Errorf("created %+v", first)
	}
	if _, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"}); !errors.Is(err, ErrExists) {
		t.Errorf("created twice: %v", err)
	}
	if err := c.Delete(t.Context(), uuid.New()); !errors.Is(err, ErrUnknown) {
		t.Errorf("deleting nothing: %v", err)
	}
	if err := c.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.ByName("events"); ok || shards.data[first.ID] {
		t.Error("a deleted topic is still there")
	}
	if len(c.ended) > 0 {
		t.Error("a topic that was stopped and deleted is kept for those who reconcile, of whom there are none")
	}
	if err := c.Delete(t.Context(), first.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("deleted twice: %v", err)
	}
	second, err := c.Create(t.Context(), wire.TopicSpec{Name: "events", Partitions: 3, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	if second.ID == first.ID || second.LogID == first.LogID {
		t.Error("the second topic of the name has an id of the first")
	}
	again := open(t, log, shards)
	if diff := cmp.Diff(c.List(), again.List(), cmp.AllowUnexported(Topic{})); diff != "" {
		t.Errorf("after a restart:\n%s", diff)
	}
	if got, ok := again.ByID(second.ID); !ok || got.Name != "events" {
		t.Errorf("by id: %+v, %t", got, ok)
	}
}

func TestAlter(t *testing.T) {
	log, shards := &ramLog{failAfter: 100}, newRAMShards()
	c := open(t, log, shards)
	clicks, err := c.Create(t.Context(), wire.TopicSpec{Name: "clicks", Kind: wire.KindPlain, Retention: wire.Retention{AgeMS: 5}})
	if err != nil {
		t.Fatal(err)
	}
	size := wire.TopicChange{RetentionBytes: new(int64(7))}
	want := wire.Retention{AgeMS: 5, Bytes: 7}
	for range 2 { // a second time it changes nothing
		got, err := c.Alter(t.Context(), clicks.ID, size)
		if err != nil || got.Retention != want || got.State != Ready {
			t.Errorf("altered: %+v, %v", got, err)
		}
	}
	if len(shards.altered) != 1 || shards.altered[0].Retention != want {
		t.Errorf("the shards were told %+v", shards.altered)
	}
	if got, _ := open(t, log, newRAMShards()).ByName("clicks"); got.Retention != want {
		t.Errorf("after a restart: %+v", got.Retention)
	}

	for _, change := range []wire.TopicChange{{RetentionBytes: new(int64(-1))}, {RetentionAgeMS: new(int64(-1))}} {
		if _, err := c.Alter(t.Context(), clicks.ID, change); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", change, err)
		}
	}
	events, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Alter(t.Context(), events.ID, size); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "versioned") {
		t.Errorf("a versioned topic: %v", err)
	}
	if _, err := c.Alter(t.Context(), uuid.New(), size); !errors.Is(err, ErrUnknown) {
		t.Errorf("altering nothing: %v", err)
	}
	log.failAfter = 0
	_, err = c.Alter(t.Context(), clicks.ID, wire.TopicChange{RetentionAgeMS: new(int64(0))})
	if got, _ := c.ByName("clicks"); !errors.Is(err, errCrash) || got.Retention != want || len(shards.altered) != 1 {
		t.Errorf("a change that was not recorded: %v, %+v, told %+v", err, got.Retention, shards.altered)
	}
}

// TestCutOff cuts a creation and a deletion off after every step; the next start finishes them, or the next creation begins anew.
func TestCutOff(t *testing.T) {
	for steps := range 5 {
		log, shards := &ramLog{failAfter: steps}, newRAMShards()
		c := open(t, log, shards)
		made, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"})
		if err == nil {
			err = c.Delete(t.Context(), made.ID)
		}
		if steps < 4 != errors.Is(err, errCrash) {
			t.Fatalf("%d steps: %v", steps, err)
		}
		log.failAfter = 100
		restarted := newRAMShards()
		restarted.data = shards.data
		c = open(t, log, restarted)
		want := []string{"events"}
		if steps == 0 || steps > 2 { // never begun, or its deletion had begun
			want = nil
		}
		if diff := cmp.Diff(want, names(c)); diff != "" {
			t.Errorf("%d steps: topics (-want +got):\n%s", steps, diff)
		}
		if len(restarted.running) != len(want) || len(restarted.data) != len(want) {
			t.Errorf("%d steps: %d topics, %d run, %d keep data", steps, len(want), len(restarted.running), len(restarted.data))
		}
	}
}

func TestCreationThatFailedIsBegunAnew(t *testing.T) {
	log, shards := &ramLog{failAfter: 100}, newRAMShards()
	c := open(t, log, shards)
	shards.fail = errCrash
	if _, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"}); !errors.Is(err, errCrash) || !errors.Is(err, ErrUnfinished) {
		t.Fatal(err)
	}
	shards.fail = nil
	if _, err := c.Create(t.Context(), wire.TopicSpec{Name: "events"}); err != nil {
		t.Fatal(err)
	}
	if n := len(shards.data); n != 1 {
		t.Errorf("%d topics keep data, want 1", n)
	}
}

func TestInvalid(t *testing.T) {
	c := open(t, &ramLog{failAfter: 100}, newRAMShards())
	for _, s := range []wire.TopicSpec{
		{}, {Name: "a b"}, {Name: "a.*"}, {Name: ">"}, {Name: "-a"}, {Name: ".."}, {Name: "ä"}, {Name: strings.Repeat("a", 101)}, {Name: "a\x00"},
		{Name: "a", Kind: "queue"}, {Name: "a", Partitions: -1}, {Name: "a", Partitions: 1025}, {Name: "a", Partitions: 2, Shards: 3}, {Name: "a", Shards: -1},
	} {
		if _, err := c.Create(t.Context(), s); !errors.Is(err, ErrInvalid) || len(err.Error()) < 20 {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if len(c.List()) != 0 {
		t.Errorf("created %v", names(c))
	}
}

// TestUnknownEvent: a catalogue of a newer brokerd is refused, not half understood.
func TestUnknownEvent(t *testing.T) {
	log := &ramLog{events: []Event{{Stream: "topic-a", Version: 1, Type: "topic.frozen"}}}
	if _, err := Open(t.Context(), log, newRAMShards(), Config{}); err == nil || !strings.Contains(err.Error(), "topic.frozen") {
		t.Errorf("got %v", err)
	}
}
