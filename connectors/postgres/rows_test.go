package postgres_test

import (
	"context"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestRowIsMadeAgain has a handler delete a row that it has not read, and make it again in the same commit.
func TestRowIsMadeAgain(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("again", projections.On(func(ctx context.Context, rows *projections.Rows[counter], e eventstore.Recorded[numbered]) error {
		rows.Delete("x")
		row, err := rows.Row(ctx, "x")
		if err == nil {
			row.N += int64(e.Data.N)
		}
		return err
	}))
	sink := postgres.NewTable[counter](pool)
	appendNumbers(t, store, 0, 1, 1)
	run(t, store, p, sink)
	await(t, store, p, sink)
	appendNumbers(t, store, 1, 3, 1)
	await(t, store, p, sink)
	if row, ok, err := sink.Get(t.Context(), p, "x"); err != nil || !ok || row.N != 2 {
		t.Errorf("the row is %+v, %v, %v", row, ok, err)
	}
}

type short struct {
	K, S int
	T, U string
	W    map[string]string
}

// TestShortNames has columns of the names that the sink's own statements use.
func TestShortNames(t *testing.T) {
	store, pool := openStore(t), open(t)
	p := projections.Define("short", projections.Fold(func(s *short, e eventstore.Recorded[numbered]) {
		s.K, s.S, s.T, s.U, s.W = e.Data.N, s.S+1, "t", "u", map[string]string{"path": `C:\u0000`}
	}))
	sink := postgres.NewTable[short](pool)
	appendNumbers(t, store, 0, 2, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := projections.CatchUp(ctx, store, p, sink); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 2, 3, 1)
	if err := projections.CatchUp(ctx, store, p, sink); err != nil {
		t.Fatal(err)
	}
	if row, _, err := sink.Get(t.Context(), p, "0"); err != nil || row.K != 2 || row.S != 3 || row.W["path"] != `C:\u0000` {
		t.Errorf("the row is %+v, %v", row, err)
	}
}

// TestRowsOfOtherMakers has rows be of types that have no exported field, but say how they are written.
func TestRowsOfOtherMakers(t *testing.T) {
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 4, 1)
	sums := projections.Define("sums", projections.FoldBy(func(eventstore.Recorded[numbered]) string { return "all" }, func(sum *big.Int, e eventstore.Recorded[numbered]) {
		sum.Add(sum, big.NewInt(int64(e.Data.N)))
	}))
	table := postgres.NewTable[big.Int](pool)
	if err := projections.CatchUp(t.Context(), store, sums, table); err != nil {
		t.Fatal(err)
	}
	want := number(t, pool, "SELECT value::bigint FROM sums_v1.rows")
	if sum, ok, err := table.Get(t.Context(), sums, "all"); err != nil || !ok || want == 0 || sum.Int64() != want {
		t.Errorf("the sum is %v, %t, %v, want %d", sum.String(), ok, err, want)
	}
	if v, err := projections.Verify(t.Context(), store, sums, table, 1); err != nil || v.Rows != 1 || len(v.Differences) > 0 {
		t.Errorf("verified: %+v, %v", v, err)
	}
	type hidden struct{ n int } //nolint:unused // which is the point
	lost := projections.Define("lost", projections.Fold(func(*hidden, eventstore.Recorded[numbered]) {}))
	wantError(t, projections.CatchUp(t.Context(), store, lost, postgres.NewTable[hidden](pool)), "hidden", "no field that a column could be made of")
}

// TestVerifyJSON compares JSON that PostgreSQL has written in its own way.
func TestVerifyJSON(t *testing.T) {
	type document struct{ Body json.RawMessage }
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 1, 1)
	p := projections.Define("documents", projections.Fold(func(d *document, _ eventstore.Recorded[numbered]) {
		d.Body = json.RawMessage(`{"bb": 1, "a": [1e2, 1.50, {"y": null, "x": "é"}], "b": 1, "b": 2}`)
	}))
	table := postgres.NewTable[document](pool)
	if err := projections.CatchUp(t.Context(), store, p, table); err != nil {
		t.Fatal(err)
	}
	if v, err := projections.Verify(t.Context(), store, p, table, 1); err != nil || v.Rows != 1 || len(v.Differences) > 0 {
		t.Errorf("verified: %+v, %v", v, err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE documents_v1.rows SET body = jsonb_set(body, '{a,1}', '1.51')`); err != nil {
		t.Fatal(err)
	}
	if v, err := projections.Verify(t.Context(), store, p, table, 1); err != nil || len(v.Differences) != 1 {
		t.Errorf("of another number: %+v, %v", v, err)
	}
}
