package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/projections"
)

type numbered struct{ N int }

var accounts = eventstore.Category{Name: "account", Events: map[string]any{"numbered": numbered{}}}

// openStore gives a store on a broker, whose workers share partitions.
func openStore(t *testing.T) *eventstore.Store {
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
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{Partitions: 4}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// appendNumbers appends the numbers of [from, to), each to the stream of its remainder.
func appendNumbers(t *testing.T, store *eventstore.Store, from, to, streams int) {
	t.Helper()
	for i := from; i < to; i++ {
		if _, err := store.Append(t.Context(), fmt.Sprintf("account-%d", i%streams), eventstore.Any, numbered{i}); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a worker until the function that it gives is called.
func run[T any](t *testing.T, store *eventstore.Store, p *projections.Projection[T], sink projections.Sink[T], options ...projections.Option) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- projections.Run(ctx, store, p, sink, options...) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("a worker ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func await[T any](t *testing.T, store *eventstore.Store, p *projections.Projection[T], sink projections.Sink[T]) {
	t.Helper()
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := projections.AwaitCursor(ctx, p, sink, end); err != nil {
		t.Fatal(err)
	}
}

// eventually returns when a condition holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come true", what)
		}
	}
}

type listed struct {
	Numbers []int
	Sum     int64
}

// TestParkedExactly poisons one stream of a hundred: exactly its events wait, in order, and are handled in order when the poison is gone.
func TestParkedExactly(t *testing.T) {
	store, pool := openStore(t), open(t)
	const streams, events = 100, 2000
	appendNumbers(t, store, 0, events, streams)
	var cured atomic.Bool
	poisonous := func(e eventstore.Recorded[numbered]) {
		if e.Data.N%streams == 7 && e.Data.N >= 107 && !cured.Load() {
			panic("poison")
		}
	}
	p := projections.Define("lists", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) {
		poisonous(e)
		l.Numbers, l.Sum = append(l.Numbers, e.Data.N), l.Sum+int64(e.Data.N)
	}))
	sink := postgres.NewTable[listed](pool)
	run(t, store, p, sink, projections.OnError(projections.Park, 2))
	await(t, store, p, sink)
	check := func(poisoned int) {
		t.Helper()
		for s := range streams {
			row, _, err := sink.Get(t.Context(), p, fmt.Sprint(s))
			if err != nil {
				t.Fatal(err)
			}
			want := events / streams
			if s == 7 {
				want = poisoned
			}
			if len(row.Numbers) != want || !slices.IsSorted(row.Numbers) {
				t.Fatalf("stream %d has %v, want %d numbers", s, row.Numbers, want)
			}
		}
	}
	check(1)
	parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(parked) != events/streams-1 {
		t.Fatalf("%d events are parked, want %d", len(parked), events/streams-1)
	}
	for i, e := range parked {
		if e.Stream != "account-7" || (e.Reason != "") != (i == 0) || i > 0 && e.Offset <= parked[i-1].Offset {
			t.Errorf("parked event %d is %+v", i, e)
		}
	}
	verify := func(differences int) {
		t.Helper()
		if v, err := projections.Verify(t.Context(), store, p, sink, 1); err != nil || v.Rows != streams || len(v.Differences) != differences {
			t.Errorf("verified: %d rows, %+v, %v, want %d differences", v.Rows, v.Differences, err, differences)
		}
	}
	verify(0)
	if _, err := pool.Exec(t.Context(), "UPDATE lists_v1.rows SET sum = sum + 1 WHERE key = '8'"); err != nil {
		t.Fatal(err)
	}
	verify(1)
	if _, err := pool.Exec(t.Context(), "UPDATE lists_v1.rows SET sum = sum - 1 WHERE key = '8'"); err != nil {
		t.Fatal(err)
	}
	retry := func() {
		t.Helper()
		if n, err := postgres.NewAdmin(pool).Retry(t.Context(), p.ID(), "account-7"); err != nil || n != events/streams-1 {
			t.Fatalf("asked for another attempt at %d events, %v", n, err)
		}
	}
	retry()
	eventually(t, "the refusal of another attempt", func() bool {
		parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID())
		return err == nil && parked[0].Attempts == 1 && !parked[1].Retry
	})
	cured.Store(true)
	retry()
	eventually(t, "the end of waiting", func() bool {
		parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID())
		return err == nil && len(parked) == 0
	})
	check(events / streams)
	verify(0)
}

// TestBlueGreen makes a second version while the first one serves, kills it half-way, goes on, and switches. Readers see a whole read model at any time.
func TestBlueGreen(t *testing.T) {
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 1000, 50)
	blue := projections.Define("sums", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum += int64(e.Data.N) }))
	sink := postgres.NewTable[listed](pool)
	run(t, store, blue, sink)
	await(t, store, blue, sink)

	type counted struct{ Events, Sum int64 }
	half := make(chan struct{})
	var seen atomic.Int64
	green := projections.Define("sums", projections.Fold(func(c *counted, e eventstore.Recorded[numbered]) {
		if seen.Add(1) == 500 {
			close(half)
		}
		c.Events++
		c.Sum += int64(e.Data.N)
	})).Version(2)
	ctx, cancel := context.WithCancel(t.Context())
	filling := make(chan error, 1)
	go func() {
		filling <- projections.CatchUp(ctx, store, green, postgres.NewTable[counted](pool), projections.CommitMax(20, 1<<20))
	}()
	<-half
	cancel()
	if err := <-filling; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	read := make(chan error, 1)
	go func() { // a reader that never knows which version it sees
		for {
			var rows int
			if err := pool.QueryRow(context.WithoutCancel(ctx), "SELECT count(*) FROM sums.rows WHERE sum >= 0").Scan(&rows); err != nil || rows != 50 {
				read <- fmt.Errorf("%d rows, %w", rows, err)
				return
			}
			select {
			case <-stop:
				read <- nil
				return
			default:
			}
		}
	}()
	appendNumbers(t, store, 1000, 1100, 50)
	if err := projections.CatchUp(t.Context(), store, green, postgres.NewTable[counted](pool)); err != nil {
		t.Fatal(err)
	}
	if live, err := postgres.NewAdmin(pool).Live(t.Context(), "sums"); err != nil || live != 1 {
		t.Fatalf("before the switch version %d is live, %v", live, err)
	}
	if err := postgres.NewAdmin(pool).Switch(t.Context(), green.ID()); err != nil {
		t.Fatal(err)
	}
	close(stop)
	if err := <-read; err != nil {
		t.Errorf("a reader during the switch: %v", err)
	}
	var events, sum int64
	if err := pool.QueryRow(t.Context(), "SELECT sum(events), sum(sum) FROM sums.rows").Scan(&events, &sum); err != nil {
		t.Fatal(err)
	}
	if events != 1100 || sum != 1100*1099/2 {
		t.Errorf("after the switch the views show %d events with the sum %d", events, sum)
	}
	if seen.Load() < 1100 || seen.Load() > 1100+4*40 {
		t.Errorf("the second version saw %d events: it did not go on where it was killed", seen.Load())
	}
}

// TestRebuildUnderWorkers clears a read model that two workers keep, with SQL of their own: they make it again, its tables included.
func TestRebuildUnderWorkers(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("totals", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[numbered]) error {
		_, err := tx.Exec(ctx, "INSERT INTO totals AS t VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET n = t.n + excluded.n", e.Stream.Key(), e.Data.N)
		return err
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE totals (key text PRIMARY KEY, n bigint NOT NULL)")
		return err
	})
	appendNumbers(t, store, 0, 300, 30)
	first, second := postgres.NewSink(pool), postgres.NewSink(pool)
	run(t, store, p, first)
	run(t, store, p, second)
	await(t, store, p, first)
	if err := projections.Rebuild(t.Context(), store, p, postgres.NewSink(pool)); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 300, 400, 30)
	await(t, store, p, second)
	var sum int64
	if err := pool.QueryRow(t.Context(), "SELECT sum(n) FROM totals.totals").Scan(&sum); err != nil {
		t.Fatal(err)
	}
	if sum != 400*399/2 {
		t.Errorf("the sum is %d, want %d", sum, 400*399/2)
	}
}

// TestAwaitSeesOtherProcesses waits through a sink of its own for what a worker with another one commits.
func TestAwaitSeesOtherProcesses(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum += int64(e.Data.N) }))
	run(t, store, p, postgres.NewTable[listed](pool))
	mine := postgres.NewTable[listed](pool)
	for i := range 20 {
		appended, err := store.Append(t.Context(), "account-1", eventstore.Any, numbered{1})
		if err != nil {
			t.Fatal(err)
		}
		if err := projections.Await(t.Context(), p, mine, appended.Position); err != nil {
			t.Fatal(err)
		}
		if row, ok, err := mine.Get(t.Context(), p, "1"); err != nil || !ok || row.Sum != int64(i+1) {
			t.Fatalf("after %d events the row is %+v, %t, %v", i+1, row, ok, err)
		}
	}
}

// TestNotMigrated has a database without the schema: the error names the command.
func TestNotMigrated(t *testing.T) {
	store := openStore(t)
	pool := pgtest.Pool(t)
	p := projections.Define("sums", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum++ }))
	err := projections.Run(t.Context(), store, p, postgres.NewTable[listed](pool))
	if err == nil || !strings.Contains(err.Error(), "brokerd migrate up") {
		t.Errorf("Run ended with %v", err)
	}
}

// TestNamesThatAreTaken refuses projections whose schemas are somebody else's.
func TestNamesThatAreTaken(t *testing.T) {
	store, pool := openStore(t), open(t)
	for _, name := range []string{"strand", "public", "pg_catalog", "information_schema", "Strand", "a_v1", "a_b_v203"} {
		p := projections.Define(name, projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum++ }))
		if err := projections.Run(t.Context(), store, p, postgres.NewTable[listed](pool)); !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPause has nothing committed while a projection is paused, and everything afterwards.
func TestPause(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum += int64(e.Data.N) }))
	sink := postgres.NewTable[listed](pool)
	if err := postgres.NewAdmin(pool).Pause(t.Context(), p.ID()); !errors.Is(err, projections.ErrUnknownProjection) {
		t.Errorf("pausing what is not there: %v", err)
	}
	appendNumbers(t, store, 0, 10, 1)
	run(t, store, p, sink)
	await(t, store, p, sink)
	if err := postgres.NewAdmin(pool).Pause(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	appended, err := store.Append(t.Context(), "account-0", eventstore.Any, numbered{1000})
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := projections.Await(short, p, sink, appended.Position); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is paused, waiting ended with %v", err)
	}
	if err := postgres.NewAdmin(pool).Resume(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	await(t, store, p, sink)
	if row, _, err := sink.Get(t.Context(), p, "0"); err != nil || row.Sum != 1045 {
		t.Errorf("the sum is %d, %v", row.Sum, err)
	}
}

// TestSetCheckpoints goes back, and on.
func TestSetCheckpoints(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) { l.Sum += int64(e.Data.N) }))
	sink := postgres.NewTable[listed](pool)
	appendNumbers(t, store, 1, 5, 1)
	partition := int32(0)
	end, err := store.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, next := range end.Next {
		if next > 0 {
			partition = int32(i)
		}
	}
	for _, step := range []struct{ at, sum int64 }{{-1, 10}, {0, 20}, {3, 24}, {4, 24}} {
		if step.at >= 0 {
			if err := postgres.NewAdmin(pool).SetCheckpoints(t.Context(), p.ID(), map[int32]int64{partition: step.at}); err != nil {
				t.Fatal(err)
			}
		}
		if err := projections.CatchUp(t.Context(), store, p, sink); err != nil {
			t.Fatal(err)
		}
		if row, _, err := sink.Get(t.Context(), p, "0"); err != nil || row.Sum != step.sum {
			t.Errorf("from offset %d on the sum is %d, %v, want %d", step.at, row.Sum, err, step.sum)
		}
	}
}

// TestSameProjectionOnAllSinks has one projection make the same rows in memory, in a table topic and in PostgreSQL.
func TestSameProjectionOnAllSinks(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	store, err := eventstore.Open(t.Context(), b.Client(), eventstore.Config{Partitions: 4}, accounts)
	if err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 0, 500, 23)
	p := projections.Define("lists", projections.Fold(func(l *listed, e eventstore.Recorded[numbered]) {
		l.Numbers, l.Sum = append(l.Numbers, e.Data.N), l.Sum+int64(e.Data.N)
	}))
	memory, topic, database := projections.NewMemory[listed](), table.New[listed](b.Client()), postgres.NewTable[listed](open(t))
	all := func(string) bool { return true }
	var want map[string]listed
	for i, sink := range []interface {
		projections.Sink[*projections.Rows[listed]]
		projections.Snapshotter[listed]
	}{memory, topic, database} {
		if err := projections.CatchUp(t.Context(), store, p, sink); err != nil {
			t.Fatal(err)
		}
		got, err := sink.Snapshot(t.Context(), p.ID(), all)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = got.Rows
		}
		if diff := cmp.Diff(want, got.Rows); diff != "" || len(got.Rows) != 23 {
			t.Errorf("%T has %d rows (-memory +it):\n%s", sink, len(got.Rows), diff)
		}
	}
}

// TestMissingTableParksNothing has a table that is not there: that is no event's fault, whatever the policy.
func TestMissingTableParksNothing(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[numbered]) error {
		_, err := tx.Exec(ctx, "INSERT INTO nowhere VALUES ($1)", e.Data.N)
		return err
	}))
	appendNumbers(t, store, 0, 3, 1)
	err := projections.Run(t.Context(), store, p, postgres.NewSink(pool), projections.OnError(projections.Park, 1))
	if !errors.Is(err, projections.ErrUnusable) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("Run ended with %v", err)
	}
	if parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID()); err != nil || len(parked) != 0 {
		t.Errorf("parked are %+v, %v", parked, err)
	}
}

// TestSlowSetup has two workers begin while a setup takes longer than they wait for locks: one makes it, the other waits for that.
func TestSlowSetup(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[numbered]) error {
		_, err := tx.Exec(ctx, "UPDATE sum SET n = n + $1", e.Data.N)
		return err
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE sum AS SELECT 0::bigint AS n FROM pg_sleep(2.5)")
		return err
	})
	appendNumbers(t, store, 0, 10, 1)
	first, second := postgres.NewSink(pool), postgres.NewSink(pool)
	run(t, store, p, first)
	run(t, store, p, second)
	await(t, store, p, first)
	var n int64
	if err := pool.QueryRow(t.Context(), "SELECT n FROM sums.sum").Scan(&n); err != nil || n != 45 {
		t.Errorf("the sum is %d, %v", n, err)
	}
}
