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

// addTo adds 1 to a hundred rows.
func addTo(ctx context.Context, lane projections.Lane[*projections.Rows[counter]], next int64) error {
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

// behindAProxy makes a database, a pool by which it is reached directly, and one by way of a proxy.
func behindAProxy(t *testing.T) (direct, pool *pgxpool.Pool, proxy *pgtest.Proxy) {
	t.Helper()
	server := pgtest.Start(t)
	direct, proxy = server.Pool(t), server.Proxy(t)
	if _, err := migrations.Migrate(t.Context(), direct); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), proxy.URL(direct.Config().ConnConfig.Database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return direct, pool, proxy
}

var frozenClaim = projections.Claim{Projection: "frozen", Version: 1, Topic: "events", Epoch: 1, Partitions: 2}

// soon repeats what fails for the moment.
func soon[T any](t *testing.T, what string, try func(context.Context) (T, error)) (got T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for began := time.Now(); ; {
		got, err := try(ctx)
		if err == nil {
			t.Logf("%s after %v", what, time.Since(began))
			return got
		}
		if !errors.Is(err, projections.ErrTransient) || ctx.Err() != nil {
			t.Fatalf("%s: after %v: %v", what, time.Since(began), err)
		}
	}
}

// frozenAt waits until a commit stands still.
func frozenAt(t *testing.T, direct *pgxpool.Pool, frozen <-chan bool, ended <-chan error) {
	t.Helper()
	select {
	case <-frozen:
	case err := <-ended:
		t.Fatalf("it has ended: %v", err)
	}
	for number(t, direct, "SELECT count(*) FROM (SELECT FROM strand.checkpoints FOR UPDATE SKIP LOCKED) AS free") > 0 { // the server has what was sent, and is at it
		if t.Context().Err() != nil {
			t.Fatal("nothing is frozen")
		}
	}
}

// halfCommitted has a lane add to its rows, and stand still when it does so once more, with ctx; ends tells how that ended.
func halfCommitted(ctx context.Context, t *testing.T) (direct *pgxpool.Pool, lane projections.Lane[*projections.Rows[counter]], ends <-chan error) {
	t.Helper()
	direct, pool, proxy := behindAProxy(t)
	lane, err := postgres.NewTable[counter](pool).Claim(t.Context(), frozenClaim)
	if err != nil {
		t.Fatal(err)
	}
	if err := addTo(t.Context(), lane, 1); err != nil {
		t.Fatal(err)
	}
	frozen, ended := proxy.Cut(pgtest.Cut{Batch: true, Frozen: true}), make(chan error, 1)
	go func() { ended <- addTo(ctx, lane, 2) }()
	frozenAt(t, direct, frozen, ended)
	return direct, lane, ended
}

// TestFrozenInABatch has a worker stand still with half of its commit sent: PostgreSQL waits for the rest, and holds the checkpoint meanwhile. No timeout of
// PostgreSQL 15 ends that; the successor does.
func TestFrozenInABatch(t *testing.T) {
	direct, zombie, ended := halfCommitted(t.Context(), t)
	claim := frozenClaim
	claim.Epoch = 2
	successor := soon(t, "the successor has its partition", func(ctx context.Context) (projections.Lane[*projections.Rows[counter]], error) {
		return postgres.NewTable[counter](direct).Claim(ctx, claim)
	})
	if at := successor.Checkpoint().Next; at != 1 {
		t.Errorf("the checkpoint is %d, want 1", at)
	}
	if err := addTo(t.Context(), successor, 2); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("half of a commit was committed")
	}
	var fenced *projections.FencedError
	if err := addTo(t.Context(), zombie, 2); !errors.As(err, &fenced) {
		t.Errorf("the stopped worker's next commit: %v, want that it was fenced", err)
	}
	if n := number(t, direct, `SELECT sum(n)::bigint FROM frozen_v1.rows`); n != 200 {
		t.Errorf("the rows come to %d, want 200", n)
	}
}

// TestFrozenInAClaim has a worker stand still within its claim: others claim this partition, and every other one, soon.
func TestFrozenInAClaim(t *testing.T) {
	direct, pool, proxy := behindAProxy(t)
	frozen, ended := proxy.Cut(pgtest.Cut{Frozen: true}), make(chan error, 1)
	go func() {
		_, err := postgres.NewTable[counter](pool).Claim(t.Context(), frozenClaim)
		ended <- err
	}()
	frozenAt(t, direct, frozen, ended)
	for partition := range int32(2) {
		claim := frozenClaim
		claim.Partition, claim.Epoch = partition, 2
		lane := soon(t, fmt.Sprintf("partition %d is claimed", partition), func(ctx context.Context) (projections.Lane[*projections.Rows[counter]], error) {
			return postgres.NewTable[counter](direct).Claim(ctx, claim)
		})
		if err := addTo(t.Context(), lane, 1); err != nil {
			t.Error(err)
		}
	}
	if err := <-ended; err == nil {
		t.Error("the claim of the worker that stood still has succeeded")
	}
}

// TestConnectionLostInABatch has the network lose a worker's connection with half of a commit sent, and the server not know it: the worker commits again.
func TestConnectionLostInABatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	direct, lane, ended := halfCommitted(ctx, t)
	cancel()
	if err := <-ended; err == nil {
		t.Fatal("half of a commit was committed")
	}
	soon(t, "it was committed", func(ctx context.Context) (struct{}, error) { return struct{}{}, addTo(ctx, lane, 2) })
	if n := number(t, direct, `SELECT sum(n)::bigint FROM frozen_v1.rows`); n != 200 {
		t.Errorf("the rows come to %d, want 200", n)
	}
}
