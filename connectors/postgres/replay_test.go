package postgres_test

import (
	"context"
	"testing"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestReplayed has handlers do something outside of the database: each event has that effect once, by the version that readers see, whatever is rebuilt, verified,
// or filled beside it.
func TestReplayed(t *testing.T) {
	store, pool := openStore(t), open(t)
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	effects := map[int]int{} // by versions
	version := func(n int) *projections.Projection[*projections.Rows[counter]] {
		return projections.Define("mails", projections.On(func(ctx context.Context, rows *projections.Rows[counter], e eventstore.Recorded[numbered]) error {
			if !projections.Replayed(ctx, e.Position) {
				effects[n]++
			}
			row, err := rows.Row(ctx, "all")
			if err == nil {
				row.N++
			}
			return err
		})).Version(n)
	}
	old, other := version(1), version(2)
	catchUp := func(when string, p *projections.Projection[*projections.Rows[counter]], want int) {
		t.Helper()
		clear(effects)
		if err := projections.CatchUp(t.Context(), store, p, table); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if n := effects[p.ID().Version]; n != want {
			t.Errorf("%s: %s had %d effects, want %d", when, p.ID(), n, want)
		}
	}
	appendNumbers(t, store, 0, 10, 1)
	catchUp("at first", old, 10)
	catchUp("filling beside it", other, 0)
	appendNumbers(t, store, 0, 10, 1)
	catchUp("while the other waits", old, 10)
	if err := admin.Switch(t.Context(), other.ID()); err != nil {
		t.Fatal(err)
	}
	catchUp("what the old one has done", other, 0)
	appendNumbers(t, store, 0, 10, 1)
	catchUp("after the switch", other, 10)
	catchUp("the old one after the switch", old, 0)
	clear(effects)
	if err := projections.Rebuild(t.Context(), store, other, table); err != nil || effects[2] != 0 {
		t.Errorf("a rebuild had %d effects: %v", effects[2], err)
	}
	if v, err := projections.Verify(t.Context(), store, other, table, 1); err != nil || len(v.Differences) > 0 || effects[2] != 0 {
		t.Errorf("a verification had %d effects: %+v, %v", effects[2], v, err)
	}
	appendNumbers(t, store, 0, 10, 1)
	catchUp("after a rebuild", other, 10)
	if err := admin.Switch(t.Context(), old.ID()); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 0, 10, 1)
	catchUp("after a switch back", old, 10)
}
