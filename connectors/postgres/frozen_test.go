package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// TestFrozenInABatch has a worker stand still with half of its commit sent: PostgreSQL waits for the rest, and holds the checkpoint meanwhile. No timeout of
// PostgreSQL 15 ends that; the successor does.
func TestFrozenInABatch(t *testing.T) {
	server := pgtest.Start(t)
	direct := server.Pool(t)
	if _, err := migrations.Migrate(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	proxy := server.Proxy(t)
	pool, err := pgxpool.New(t.Context(), proxy.URL(direct.Config().ConnConfig.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	claim := projections.Claim{Projection: "frozen", Version: 1, Topic: "events", Epoch: 1}
	zombie, err := postgres.NewTable[counter](pool).Claim(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	add := func(ctx context.Context, lane projections.Lane[*projections.Rows[counter]], next int64) error {
		return lane.Commit(ctx, projections.Mark{Next: next}, func(rows *projections.Rows[counter]) error {
			for i := range 100 {
				row, err := rows.Row(ctx, fmt.Sprint(i))
				if err != nil {
					return err
				}
				row.N++
			}
			return nil
		})
	}
	if err := add(t.Context(), zombie, 1); err != nil {
		t.Fatal(err)
	}
	frozen, ended := proxy.Cut(pgtest.Cut{Batch: true, Frozen: true}), make(chan error, 1)
	go func() { ended <- add(t.Context(), zombie, 2) }()
	select {
	case <-frozen:
	case err := <-ended:
		t.Fatalf("the commit has ended: %v", err)
	}
	if n := number(t, direct, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'strand frozen%' AND state = 'active'"); n != 1 {
		t.Errorf("%d transactions are under way, want 1: nothing is frozen", n)
	}
	limited, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	claim.Epoch = 2
	var successor projections.Lane[*projections.Rows[counter]]
	for began := time.Now(); ; {
		if successor, err = postgres.NewTable[counter](direct).Claim(limited, claim); err == nil {
			t.Logf("the successor has its partition after %v", time.Since(began))
			break
		}
		if !errors.Is(err, projections.ErrTransient) {
			t.Fatalf("the successor's claim after %v: %v", time.Since(began), err)
		}
	}
	if at := successor.Checkpoint().Next; at != 1 {
		t.Errorf("the checkpoint is %d, want 1", at)
	}
	if err := add(t.Context(), successor, 2); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("half of a commit was committed")
	}
	var fenced *projections.FencedError
	if err := add(t.Context(), zombie, 2); !errors.As(err, &fenced) {
		t.Errorf("the stopped worker's next commit: %v, want that it was fenced", err)
	}
	if n := number(t, direct, `SELECT sum(n)::bigint FROM frozen_v1.rows`); n != 200 {
		t.Errorf("the rows come to %d, want 200", n)
	}
}
