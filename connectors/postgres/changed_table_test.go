package postgres_test

import (
	"errors"
	"testing"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestDroppedTableIsNotMadeAgain has a worker begin where a table was dropped: an empty one behind the checkpoints would lack what came before them.
func TestDroppedTableIsNotMadeAgain(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.Fold(func(c *counter, e eventstore.Recorded[numbered]) { c.N += int64(e.Data.N) }))
	sink := postgres.NewTable[counter](pool)
	appendNumbers(t, store, 0, 10, 1)
	if err := projections.CatchUp(t.Context(), store, p, sink); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "DROP TABLE sums_v1.rows CASCADE"); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 10, 12, 1)
	err := projections.CatchUp(t.Context(), store, p, sink)
	wantError(t, err, "sums v1", "partition ", `"sums_v1"."rows" was dropped`, "call projections.Rebuild, or raise the projection's version")
	if !errors.Is(err, projections.ErrUnusable) {
		t.Errorf("it is no ErrUnusable: %v", err)
	}
	if err := projections.Rebuild(t.Context(), store, p, sink); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT n FROM sums.rows"); n != 66 {
		t.Errorf("the sum is %d", n)
	}
}
