package table_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
	"github.com/strandlog/strand/projections/projectionstest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(workerEnv); url != "" {
		if err := work(url); err != nil {
			fmt.Fprintln(os.Stderr, "a worker:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(brokertest.Main(m, func(m *testing.M) int {
		goleak.VerifyTestMain(m) // it exits
		return 0
	}))
}

func start(t *testing.T) *broker.Broker {
	t.Helper()
	b, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

type counter struct{ N int64 }

// TestSinkIsASink holds it to the law.
func TestSinkIsASink(t *testing.T) {
	projectionstest.Run(t, func(t *testing.T) projectionstest.Harness[*projections.Rows[counter]] {
		client := start(t).Client()
		sink := table.New[counter](client)
		named := projections.Define("counters", projections.Fold(func(*counter, eventstore.Recorded[counted]) {})).Version(3)
		return projectionstest.Harness[*projections.Rows[counter]]{
			Sink:  sink,
			Admin: table.NewAdmin(client),
			Add: func(ctx context.Context, rows *projections.Rows[counter], key string, n int64) error {
				row, err := rows.Row(ctx, key)
				if err == nil {
					row.N += n
				}
				return err
			},
			Counters: func(ctx context.Context) (map[string]int64, error) {
				rows, err := sink.All(ctx, named)
				counters := map[string]int64{}
				for key, row := range rows {
					counters[key] = row.N
				}
				return counters, err
			},
		}
	})
}

type counted struct{ N int64 }

// TestProjection has two workers share a projection, park what cannot be handled, and handle it later.
func TestProjection(t *testing.T) {
	client := start(t).Client()
	store, err := eventstore.Open(t.Context(), client, eventstore.Config{Partitions: 4}, eventstore.Category{Name: "counter", Events: map[string]any{"counted": counted{}}})
	if err != nil {
		t.Fatal(err)
	}
	var cured atomic.Bool
	p := projections.Define("counters", projections.Fold(func(c *counter, e eventstore.Recorded[counted]) {
		if e.Data.N == 77 && !cured.Load() {
			panic("poison")
		}
		c.N += e.Data.N
	}))
	admin := table.NewAdmin(client)
	sinks := []*table.Sink[counter]{table.New[counter](client), table.New[counter](client)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, len(sinks))
	for _, sink := range sinks {
		go func() { ended <- projections.Run(ctx, store, p, sink, projections.OnError(projections.Park, 1)) }()
	}
	var want int64
	for i := range int64(500) {
		if _, err := store.Append(t.Context(), fmt.Sprintf("counter-%d", i%50), eventstore.Any, counted{i}); err != nil {
			t.Fatal(err)
		}
		want += i
	}
	await := func() {
		t.Helper()
		end, err := store.End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		limited, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := projections.AwaitCursor(limited, p, sinks[0], end); err != nil {
			t.Fatal(err)
		}
	}
	await()
	parked, err := admin.Parked(t.Context(), p.ID())
	if err != nil || len(parked) != 9 || parked[0].Stream != "counter-27" {
		t.Fatalf("parked are %+v, %v", parked, err)
	}
	cured.Store(true)
	if n, err := admin.Retry(t.Context(), p.ID(), "counter-27"); err != nil || n != 9 {
		t.Fatalf("asked for another attempt at %d events, %v", n, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for len(parked) > 0 {
		if parked, err = admin.Parked(t.Context(), p.ID()); err != nil || time.Now().After(deadline) {
			t.Fatalf("parked are still %+v, %v", parked, err)
		}
	}
	if v, err := projections.Verify(t.Context(), store, p, sinks[0], 1); err != nil || v.Rows != 50 || len(v.Differences) != 0 {
		t.Errorf("verified: %+v, %v", v, err)
	}
	rows, err := sinks[0].All(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, row := range rows {
		sum += row.N
	}
	if sum != want || len(rows) != 50 {
		t.Errorf("%d rows have the sum %d, want 50 and %d", len(rows), sum, want)
	}
	if row, ok, err := sinks[1].Get(t.Context(), p, "27"); err != nil || !ok || row.N != rows["27"].N {
		t.Errorf("row 27 is %+v, %t, %v", row, ok, err)
	}
	cancel()
	for range sinks {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// TestRowsOfOthersAreSeen has a lane read a row again that another one has changed meanwhile, without changing it itself.
func TestRowsOfOthersAreSeen(t *testing.T) {
	sink := table.New[counter](start(t).Client())
	claim := func(partition int32) projections.Lane[*projections.Rows[counter]] {
		t.Helper()
		lane, err := sink.Claim(t.Context(), projections.Claim{Projection: "counters", Version: 1, Topic: "events", Partition: partition, Epoch: 1})
		if err != nil {
			t.Fatal(err)
		}
		return lane
	}
	writer, reader := claim(0), claim(1)
	for i := range int64(3) {
		if err := writer.Commit(t.Context(), projections.Mark{Next: i + 1}, func(rows *projections.Rows[counter]) error {
			row, err := rows.Row(t.Context(), "x")
			if err == nil {
				row.N = i + 1
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var saw int64
		if err := reader.Commit(t.Context(), projections.Mark{Next: i + 1}, func(rows *projections.Rows[counter]) error {
			x, _, err := rows.Get(t.Context(), "x")
			if err != nil {
				return err
			}
			if saw = x.N; saw != i+1 && saw != 0 {
				return fmt.Errorf("the row is %d", saw) // which is no reason to refuse an event
			}
			row, err := rows.Row(t.Context(), "y")
			if err == nil {
				row.N = x.N
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if saw != i+1 {
			t.Errorf("the row is %d, and was read as %d", i+1, saw)
		}
	}
}

// TestResetInterrupted has a reset end before it has deleted the rows: the next one does.
func TestResetInterrupted(t *testing.T) {
	client := start(t).Client()
	sink, id := table.New[counter](client), projections.ID{Name: "counters", Version: 1}
	fill := func(epoch uint64) {
		t.Helper()
		lane, err := sink.Claim(t.Context(), projections.Claim{Projection: id.Name, Version: id.Version, Topic: "events", Epoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
		if err := lane.Commit(t.Context(), projections.Mark{Next: 1}, func(rows *projections.Rows[counter]) error {
			for i := range 3 {
				if _, err := rows.Row(t.Context(), fmt.Sprint(i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	topic := func() commitlog.Topic {
		t.Helper()
		topic, err := client.Topic(t.Context(), table.TopicOf(id))
		if err != nil {
			t.Fatal(err)
		}
		return topic
	}
	fill(1)
	// What a reset has written when it is interrupted: the next generation.
	u, err := client.Updater(topic())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Update(t.Context(), commitlog.Update{Key: []byte("projection"), Value: []byte(`{"generation":1,"partitions":[0]}`), Newest: commitlog.AnyRecord}); err != nil {
		t.Fatal(err)
	}
	fill(2)
	if err := sink.Reset(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for r, err := range client.Records(t.Context(), topic(), 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil {
			t.Fatal(err)
		}
		left[string(r.Key)] = r.Value != nil
	}
	for key, there := range left {
		if there && strings.HasPrefix(key, "row/") {
			t.Errorf("%s is left", key)
		}
	}
}

// TestParkedInChunks sets more events of a stream aside than an append can change, with reasons that take much more room than they have bytes.
func TestParkedInChunks(t *testing.T) {
	client := start(t).Client()
	sink, id := table.New[counter](client), projections.ID{Name: "counters", Version: 1}
	admin := table.NewAdmin(client)
	claimed, err := sink.Claim(t.Context(), projections.Claim{Projection: id.Name, Version: id.Version, Topic: "events", Epoch: 1})
	if err != nil {
		t.Fatal(err)
	}
	lane := claimed.(interface {
		projections.Lane[*projections.Rows[counter]]
		projections.Parking
	})
	next := int64(0)
	setAside := func(events ...projections.ParkedEvent) {
		t.Helper()
		for i := range events {
			events[i].Offset, events[i].ID, events[i].Type = next, uuid.New(), "counted"
			next++
		}
		if err := lane.Commit(t.Context(), projections.Mark{Next: next}, func(*projections.Rows[counter]) error {
			lane.SetAside(events...)
			return nil
		}); err != nil {
			t.Fatalf("event %d: %v", next, err)
		}
	}
	wantWaiting := func(streams int, alice bool) {
		t.Helper()
		waiting, err := lane.Waiting(t.Context())
		if due, waits := waiting["counter-alice"]; err != nil || len(waiting) != streams || due != alice || !waits {
			t.Fatalf("%d streams wait, alice's is among them: %t, and due: %t, %v; want %d, and due: %t", len(waiting), waits, due, err, streams, alice)
		}
	}
	for i := range 100 {
		setAside(projections.ParkedEvent{Stream: fmt.Sprint("counter-", i), Reason: strings.Repeat("<p>", 4096/3)})
	}
	const behind = 20_000
	for range behind / 1000 {
		events := make([]projections.ParkedEvent, 1000)
		for i := range events {
			events[i].Stream = "counter-alice"
		}
		if next == 100 {
			events[0].Reason = "poison"
		}
		setAside(events...)
	}
	wantWaiting(101, false)
	for range 2 {
		if n, err := admin.Retry(t.Context(), id, "counter-alice"); err != nil || n != behind {
			t.Fatalf("another attempt at %d events, %v, want %d", n, err, behind)
		}
		wantWaiting(101, true)
		if err := lane.Commit(t.Context(), projections.Mark{Next: next}, func(*projections.Rows[counter]) error {
			lane.Refuse(100, "again")
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		wantWaiting(101, false)
	}
	if err := lane.Commit(t.Context(), projections.Mark{Next: next}, func(*projections.Rows[counter]) error {
		lane.Release(100)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	wantWaiting(101, true) // the others follow
	if n, err := admin.Drop(t.Context(), id, "counter-alice"); err != nil || n != behind-1 {
		t.Fatalf("dropped %d events, %v, want %d", n, err, behind-1)
	}
	if waiting, err := lane.Waiting(t.Context()); err != nil || len(waiting) != 100 {
		t.Fatalf("there wait %d streams, %v, want 100", len(waiting), err)
	}
	// What is set aside next finds the chunks that are empty, and takes them out of the index.
	setAside(projections.ParkedEvent{Stream: "counter-bob", Reason: "no"})
	parked, err := admin.Parked(t.Context(), id)
	if err != nil || len(parked) != 101 || parked[100].Stream != "counter-bob" {
		t.Fatalf("there are %d parked events, %v, want 101", len(parked), err)
	}
	topic, err := client.Topic(t.Context(), table.TopicOf(id))
	if err != nil {
		t.Fatal(err)
	}
	index, ok, err := client.Get(t.Context(), topic, []byte("parked/0/0"), commitlog.Strict())
	if n := strings.Count(string(index.Value), `"n":`); err != nil || !ok || n == 0 || n > 45 { // reasons of some 25 KB, three to a chunk
		t.Errorf("the index has %d chunks, %v: %s", n, err, index.Value)
	}
}

// TestForeignTopic finds a topic that has the name of one with rows, and is somebody else's.
func TestForeignTopic(t *testing.T) {
	client := start(t).Client()
	sink, admin := table.New[counter](client), table.NewAdmin(client)
	create := func(name string, partitions int) *commitlog.Producer {
		t.Helper()
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: name, Kind: commitlog.Table, Partitions: partitions})
		if err != nil {
			t.Fatal(err)
		}
		p, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close(context.WithoutCancel(t.Context())) })
		return p
	}
	if _, err := create("mine.v1.rows", 1).Deliver(t.Context(), commitlog.Message{Key: []byte("k"), Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	create("wide.v1.rows", 4)
	if all, err := admin.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("the projections are %+v, %v", all, err)
	}
	for _, name := range []string{"mine", "wide"} {
		id := projections.ID{Name: name, Version: 1}
		if _, err := sink.Claim(t.Context(), projections.Claim{Projection: name, Version: 1, Topic: "events", Epoch: 1}); !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("%s: claiming: %v", name, err)
		}
		if err := sink.Setup(t.Context(), id, func(*projections.Rows[counter]) error { return nil }); !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("%s: setting up: %v", name, err)
		}
		if err := sink.Reset(t.Context(), id); !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("%s: resetting: %v", name, err)
		}
		if err := admin.Pause(t.Context(), id); !errors.Is(err, projections.ErrUnknownProjection) && !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("%s: pausing: %v", name, err)
		}
	}
}

// TestLargeRows has the rows of many events be more than an append takes.
func TestLargeRows(t *testing.T) {
	client := start(t).Client()
	store, err := eventstore.Open(t.Context(), client, eventstore.Config{Partitions: 1}, eventstore.Category{Name: "counter", Events: map[string]any{"counted": counted{}}})
	if err != nil {
		t.Fatal(err)
	}
	type large struct{ Text string }
	p := projections.Define("large", projections.Fold(func(row *large, _ eventstore.Recorded[counted]) { row.Text = strings.Repeat("x", 40_000) }))
	const events = 600
	for i := range int64(events) {
		if _, err := store.Append(t.Context(), fmt.Sprintf("counter-%d", i), eventstore.Any, counted{i}); err != nil {
			t.Fatal(err)
		}
	}
	sink := table.New[large](client)
	if err := projections.CatchUp(t.Context(), store, p, sink); err != nil {
		t.Fatal(err)
	}
	if rows, err := sink.All(t.Context(), p); err != nil || len(rows) != events {
		t.Errorf("there are %d rows, %v, want %d", len(rows), err, events)
	}
}

// TestReplayed has a version begin where another one has passed events: their effects outside of the topic are not done again.
func TestReplayed(t *testing.T) {
	b := start(t)
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{Partitions: 1}, counters)
	if err != nil {
		t.Fatal(err)
	}
	effects := 0
	version := func(n int) *projections.Projection[*projections.Rows[counter]] {
		return projections.Define("mails", projections.On(func(ctx context.Context, _ *projections.Rows[counter], e eventstore.Recorded[counted]) error {
			if !projections.Replayed(ctx, e.Position) {
				effects++
			}
			return nil
		})).Version(n)
	}
	sink := table.New[counter](b.Client())
	for _, step := range []struct{ version, events, want int }{{1, 3, 3}, {3, 2, 2}, {3, 1, 1}} {
		for range step.events {
			if _, err := store.Append(t.Context(), "counter-a", eventstore.Any, counted{1}); err != nil {
				t.Fatal(err)
			}
		}
		effects = 0
		if err := projections.CatchUp(t.Context(), store, version(step.version), sink); err != nil {
			t.Fatal(err)
		}
		if effects != step.want {
			t.Errorf("version %d had %d effects, want %d", step.version, effects, step.want)
		}
	}
}

// TestHandlersConflict has a handler return a conflict of its own: that is for the policy, and none of the rows.
func TestHandlersConflict(t *testing.T) {
	b := start(t)
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{Partitions: 1}, counters)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), "counter-a", eventstore.Any, counted{1}); err != nil {
		t.Fatal(err)
	}
	calls := 0
	p := projections.Define("conflicts", projections.On(func(context.Context, *projections.Rows[counter], eventstore.Recorded[counted]) error {
		calls++
		return fmt.Errorf("appending: %w", eventstore.ErrConflict)
	}))
	if err := projections.CatchUp(t.Context(), store, p, table.New[counter](b.Client()), projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if parked, err := table.NewAdmin(b.Client()).Parked(t.Context(), p.ID()); err != nil || len(parked) != 1 || calls != 1 {
		t.Errorf("after %d calls parked are %+v, %v", calls, parked, err)
	}
}
