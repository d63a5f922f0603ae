package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// node runs a node in this process.
func node(t *testing.T) *commitlog.Client {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{UnsafeNoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b.Client()
}

// everything is all events of a topic, by time, partition and offset.
func everything(t *testing.T, client *commitlog.Client, topic commitlog.Topic) (all []event) {
	t.Helper()
	for partition := range topic.Partitions {
		for r, err := range client.Records(t.Context(), topic, int32(partition), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			e, err := eventstore.ReadRaw(topic, r)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Position.Partition, b.Position.Partition), cmp.Compare(a.Position.Offset, b.Position.Offset))
	})
	return all
}

// TestTailShowsTheNewest compares what is shown with what is found by looking at all events, for events that are many and few.
func TestTailShowsTheNewest(t *testing.T) {
	client := node(t)
	store, err := eventstore.Open(t.Context(), client, eventstore.Config{Partitions: 4},
		eventstore.Category{Name: "account", Events: map[string]any{"deposited": deposited{}, "withdrawn": withdrawn{}}},
		eventstore.Category{Name: "order", Events: map[string]any{"placed": placed{}}})
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 120 {
		var events []any
		stream := "account-" + strconv.Itoa(random.IntN(40))
		for range 1 + random.IntN(20) {
			if events = append(events, deposited{random.IntN(100)}); random.IntN(4) == 0 {
				events = append(events, withdrawn{random.IntN(100)})
			}
		}
		if random.IntN(12) == 0 {
			stream, events = "order-"+strconv.Itoa(random.IntN(40)), []any{placed{"x"}}
		}
		if _, err := store.Append(t.Context(), stream, eventstore.Any, events...); err != nil {
			t.Fatal(err)
		}
	}
	topic, err := store.Topic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := everything(t, client, topic)
	t.Logf("%d events", len(all))
	for _, q := range []tail{
		{newest: 0}, {newest: 1}, {newest: 10}, {newest: 333}, {newest: len(all)}, {newest: newestMax},
		{newest: 1, types: []string{"account.withdrawn"}}, {newest: 7, types: []string{"account.withdrawn"}}, {newest: 100, types: []string{"account.withdrawn"}},
		{newest: 3, categories: []string{"order"}}, {newest: 8, categories: []string{"order", "account"}, types: []string{"order.placed", "account.withdrawn"}},
		{newest: 4, types: []string{"account.closed"}}, {newest: 4, types: []string{"order.placed"}, categories: []string{"account"}},
	} {
		t.Run(fmt.Sprintf("%d %s %s", q.newest, strings.Join(q.types, ","), strings.Join(q.categories, ",")), func(t *testing.T) {
			var want []string
			for _, e := range all {
				if q.wants(e) {
					want = append(want, e.Position.String())
				}
			}
			want = want[max(len(want)-q.newest, 0):]
			var out strings.Builder
			if err := q.run(t.Context(), client, topic, &eventWriter{w: &out}, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(out.String()) {
				var e struct{ Position string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				got = append(got, e.Position)
			}
			if !slices.Equal(want, got) {
				t.Errorf("shown: %v\nwant:  %v", got, want)
			}
		})
	}
}

// TestConsumeFromATime finds the first record of a time among more than are looked through, in each partition.
func TestConsumeFromATime(t *testing.T) {
	client := node(t)
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	producer, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(context.WithoutCancel(t.Context()))
	for i := range 12_000 { // more than are looked through
		if err := producer.Send(t.Context(), commitlog.Message{Value: strconv.AppendInt(nil, int64(i), 10), Partition: new(int32(i % 2))}, nil); err != nil {
			t.Fatal(err)
		}
		if i%500 == 0 {
			if err := producer.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if topic, err = client.Topic(t.Context(), "clicks"); err != nil {
		t.Fatal(err)
	}
	var times []time.Time
	for partition := range int32(2) {
		for r, err := range client.Records(t.Context(), topic, partition, commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, r.Time)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for _, since := range []time.Time{times[0].Add(-time.Hour), times[0], times[len(times)/3], times[len(times)/2], times[len(times)-1], times[len(times)-1].Add(time.Millisecond)} {
		want := len(times) - slices.IndexFunc(append(slices.Clone(times), since), func(t time.Time) bool { return !t.Before(since) })
		q := consumption{from: origin{time: &since}}
		counted := &counter{}
		if err := q.run(t.Context(), client, topic, counted, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if counted.records != want || counted.disorder {
			t.Errorf("since %v: %d records, want %d; out of order: %t", since, counted.records, want, counted.disorder)
		}
		spans, err := q.spans(t.Context(), client, topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spans {
			first := s.to // of what is wanted
			for r, err := range client.Records(t.Context(), topic, s.partition, commitlog.Range{}) {
				if err != nil {
					t.Fatal(err)
				}
				if !r.Time.Before(since) {
					first = min(first, r.Offset)
				}
			}
			if s.from != first {
				t.Errorf("since %v: partition %d is read from %d, and the first record of that time is at %d", since, s.partition, s.from, first)
			}
		}
	}
}

// counter counts records, and watches that they come by time.
type counter struct {
	records  int
	last     time.Time
	disorder bool
}

func (c *counter) write(r *commitlog.Record) error {
	c.disorder = c.disorder || r.Time.Before(c.last)
	c.records++
	c.last = r.Time
	return nil
}

func (c *counter) flush() error { return nil }
