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
