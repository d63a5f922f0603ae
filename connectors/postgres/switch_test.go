package postgres_test

import (
	"testing"

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
