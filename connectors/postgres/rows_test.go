package postgres_test

import (
	"context"
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
