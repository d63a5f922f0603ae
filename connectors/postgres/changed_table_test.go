package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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

// TestTableGrowsWhileItRuns adds a column to a table of which a handler has prepared a statement that gives all columns: that is no event's fault, and the
// worker goes on.
func TestTableGrowsWhileItRuns(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("sums", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[numbered]) error {
		rows, err := tx.Query(ctx, "UPDATE sum SET n = n + $1 RETURNING *", e.Data.N)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		return err
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE sum AS SELECT 0::bigint AS n")
		return err
	})
	sink := postgres.NewSink(pool)
	run(t, store, p, sink, projections.OnError(projections.Park, 1))
	appendNumbers(t, store, 0, 10, 1)
	await(t, store, p, sink)
	if _, err := pool.Exec(t.Context(), "ALTER TABLE sums_v1.sum ADD COLUMN note text"); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 10, 20, 1)
	await(t, store, p, sink)
	if n, parked := number(t, pool, "SELECT n FROM sums_v1.sum"), number(t, pool, "SELECT count(*) FROM strand.parked"); n != 190 || parked != 0 {
		t.Errorf("the sum is %d, and %d events are parked", n, parked)
	}
}

// TestResetWithinCommit clears a read model when a commit has loaded its rows, and not yet written them: its lane is fenced, and the worker begins anew.
func TestResetWithinCommit(t *testing.T) {
	sink := postgres.NewTable[counter](open(t))
	claim := projections.Claim{Projection: "sums", Version: 1, Topic: "events", TopicID: uuid.New(), LogID: uuid.New(), Epoch: 1}
	lane, err := sink.Claim(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	err = lane.Commit(t.Context(), projections.Mark{Next: 1}, func(rows *projections.Rows[counter]) error {
		row, err := rows.Row(t.Context(), "a")
		if err != nil {
			return err
		}
		row.N++
		return sink.Reset(t.Context(), claim.ID())
	})
	if !errors.Is(err, projections.ErrFenced) {
		t.Errorf("the commit ended with %v", err)
	}
}
