package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestForeignViewsStay has a schema of a projection's name hold a view of somebody else.
func TestForeignViewsStay(t *testing.T) {
	store, pool := openStore(t), open(t)
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA orders; CREATE VIEW orders.report AS SELECT 1 AS one"); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 0, 2, 1)
	for version := 1; version < 3; version++ {
		p := projections.Define("orders", projections.Fold(func(c *counter, _ eventstore.Recorded[numbered]) { c.N++ })).Version(version)
		if err := projections.CatchUp(t.Context(), store, p, postgres.NewTable[counter](pool)); err != nil {
			t.Fatal(err)
		}
		if err := postgres.NewAdmin(pool).Switch(t.Context(), p.ID()); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, pool, "SELECT one FROM orders.report"); n != 1 {
		t.Error("the view of somebody else was replaced")
	}
	if n := number(t, pool, "SELECT n FROM orders.rows"); n != 2 {
		t.Errorf("the live version counted %d", n)
	}
}

// TestVersionsBeginTogether has several versions of a new projection make the schema of its views at once.
func TestVersionsBeginTogether(t *testing.T) {
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 4, 1)
	for _, name := range []string{"a", "b", "c", "d"} {
		var all sync.WaitGroup
		for version := 1; version <= 4; version++ {
			p := projections.Define(name, projections.Fold(func(c *counter, _ eventstore.Recorded[numbered]) { c.N++ })).Version(version)
			all.Go(func() {
				if err := projections.CatchUp(t.Context(), store, p, postgres.NewTable[counter](pool)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// TestForeignSchemaStays has the schema that a version needs be somebody else's: it is neither used nor dropped.
func TestForeignSchemaStays(t *testing.T) {
	store, pool := openStore(t), open(t)
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA api_v1; CREATE TABLE api_v1.customers AS SELECT 1 AS n"); err != nil {
		t.Fatal(err)
	}
	p := projections.Define("api", projections.Fold(func(c *counter, _ eventstore.Recorded[numbered]) { c.N++ }))
	sink := postgres.NewTable[counter](pool)
	appendNumbers(t, store, 0, 4, 1)
	if err := projections.CatchUp(t.Context(), store, p, sink); !errors.Is(err, projections.ErrInvalid) {
		t.Errorf("making a table there: %v", err)
	}
	if err := sink.Reset(t.Context(), p.ID()); !errors.Is(err, projections.ErrInvalid) {
		t.Errorf("a reset: %v", err)
	}
	if n := number(t, pool, "SELECT n FROM api_v1.customers"); n != 1 {
		t.Error("the table of somebody else was dropped")
	}
}

// TestVersionsShareConnections has two versions of a projection take turns on one connection, with the same SQL and a column of different types.
func TestVersionsShareConnections(t *testing.T) {
	store, cfg := openStore(t), open(t).Config()
	cfg.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	version := func(n int, typ string, value any) *projections.Projection[pgx.Tx] {
		return projections.Define("counts", projections.On(func(ctx context.Context, tx pgx.Tx, _ eventstore.Recorded[numbered]) error {
			_, err := tx.Exec(ctx, "INSERT INTO counts VALUES ($1)", value)
			return err
		})).Setup(func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "CREATE TABLE counts (n "+typ+")")
			return err
		}).Version(n)
	}
	versions := []*projections.Projection[pgx.Tx]{version(1, "integer", 7), version(2, "text", "seven")}
	for round := range 3 {
		appendNumbers(t, store, 0, 2, 1)
		for _, p := range versions {
			if err := projections.CatchUp(t.Context(), store, p, postgres.NewSink(pool)); err != nil {
				t.Fatalf("round %d, %s: %v", round, p.ID(), err)
			}
		}
	}
}
