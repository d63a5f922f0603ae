package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestPauseWaits has a commit under way when its projection is paused: nothing is committed any more when Pause has returned.
func TestPauseWaits(t *testing.T) {
	store, pool := openStore(t), open(t)
	if _, err := pool.Exec(t.Context(), "CREATE TABLE seen (n bigint)"); err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	p := projections.Define("slow", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[numbered]) error {
		close(entered)
		<-release
		_, err := tx.Exec(ctx, "INSERT INTO public.seen VALUES ($1)", e.Data.N)
		return err
	}))
	run(t, store, p, postgres.NewSink(pool))
	appendNumbers(t, store, 0, 1, 1)
	<-entered
	time.AfterFunc(500*time.Millisecond, func() { close(release) })
	if err := postgres.NewAdmin(pool).Pause(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT count(*) FROM seen"); n != 1 {
		t.Errorf("%d effects when it was paused: the commit under way was not waited for", n)
	}
}

// TestSlowHandlers has an operator set checkpoints, and a rebuild clear the tables, while a commit takes longer than anybody waits for a lock at a time.
func TestSlowHandlers(t *testing.T) {
	store, pool := openStore(t), open(t)
	entered := make(chan struct{}, 100)
	p := projections.Define("slow", projections.On(func(ctx context.Context, tx pgx.Tx, _ eventstore.Recorded[numbered]) error {
		entered <- struct{}{}
		_, err := tx.Exec(ctx, "SELECT pg_sleep(2.5)")
		return err
	}))
	sink, admin := postgres.NewSink(pool), postgres.NewAdmin(pool)
	run(t, store, p, sink)
	at, err := store.Append(t.Context(), "account-1", eventstore.Any, numbered{1})
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := admin.SetCheckpoints(t.Context(), p.ID(), map[int32]int64{at.Position.Partition: 0}); err != nil {
		t.Errorf("setting checkpoints: %v", err)
	}
	if _, err := store.Append(t.Context(), "account-1", eventstore.Any, numbered{2}); err != nil { // a worker with nothing to commit does not notice
		t.Fatal(err)
	}
	<-entered // once more
	if err := sink.Reset(t.Context(), p.ID()); err != nil {
		t.Errorf("resetting: %v", err)
	}
}
