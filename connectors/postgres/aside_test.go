package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// TestSetAsideAgain has a projection go back over events that are set aside.
func TestSetAsideAgain(t *testing.T) {
	for _, policy := range []projections.Policy{projections.Park, projections.Skip} {
		store, pool := openStore(t), open(t)
		p := projections.Define("back", projections.Fold(func(c *counter, e eventstore.Recorded[numbered]) {
			if e.Data.N == 1 {
				panic("poison")
			}
			c.N++
		}))
		sink := postgres.NewTable[counter](pool)
		appendNumbers(t, store, 0, 4, 1)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := projections.CatchUp(ctx, store, p, sink, projections.OnError(policy, 1)); err != nil {
			t.Fatal(err)
		}
		before, err := postgres.NewAdmin(pool).Parked(ctx, p.ID())
		if err != nil {
			t.Fatal(err)
		}
		at := before[0].Partition
		if err := postgres.NewAdmin(pool).SetCheckpoints(ctx, p.ID(), map[int32]int64{at: before[0].Offset}); err != nil {
			t.Fatal(err)
		}
		if err := projections.CatchUp(ctx, store, p, sink, projections.OnError(policy, 1)); err != nil {
			t.Fatal(err)
		}
		after, err := postgres.NewAdmin(pool).Parked(ctx, p.ID())
		if err != nil || len(after) != len(before) || after[0].Reason == "" {
			t.Errorf("policy %v: first %+v, then %+v, %v", policy, before, after, err)
		}
	}
}

// TestParkedByTheSink has events whose rows the database refuses when they are written, not when they are handled: those alone are parked.
func TestParkedByTheSink(t *testing.T) {
	store, pool := openStore(t), open(t)
	type text struct{ Text string }
	p := projections.Define("texts", projections.Fold(func(row *text, e eventstore.Recorded[numbered]) {
		row.Text = "clean"
		if e.Data.N%50 == 7 {
			row.Text = "a\x00b"
		}
	}))
	appendNumbers(t, store, 0, 200, 100)
	sink := postgres.NewTable[text](pool)
	if err := projections.CatchUp(t.Context(), store, p, sink, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID())
	if err != nil || len(parked) != 4 { // 7 and 107, 57 and 157
		t.Errorf("%d events are parked, %v: %+v", len(parked), err, parked)
	}
	if n := number(t, pool, "SELECT count(*) FROM texts.rows WHERE text = 'clean'"); n != 98 {
		t.Errorf("%d rows are there, want 98", n)
	}
}

// TestParkedForItsKey has an event name a row whose key no index holds.
func TestParkedForItsKey(t *testing.T) {
	store, pool := openStore(t), open(t)
	var b strings.Builder
	for source := rand.New(rand.NewPCG(1, 2)); b.Len() < 20_000; { // what can be compressed would fit
		fmt.Fprintf(&b, "%x", source.Uint64())
	}
	p := projections.Define("keys", projections.FoldBy(func(e eventstore.Recorded[numbered]) string {
		if e.Data.N == 3 {
			return b.String()
		}
		return "short"
	}, func(c *counter, _ eventstore.Recorded[numbered]) { c.N++ }))
	appendNumbers(t, store, 0, 8, 8)
	if err := projections.CatchUp(t.Context(), store, p, postgres.NewTable[counter](pool), projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID()); err != nil || len(parked) != 1 || parked[0].Stream != "account-3" {
		t.Errorf("parked are %+v, %v", parked, err)
	}
	if n := number(t, pool, "SELECT n FROM keys.rows"); n != 7 {
		t.Errorf("the others come to %d, want 7", n)
	}
}

// TestVerifyDropped has an operator drop an event that cannot be handled: it is not missed.
func TestVerifyDropped(t *testing.T) {
	store, pool := openNotes(t), open(t)
	p := projections.Define("notes", projections.Fold(func(c *counter, e eventstore.Recorded[note]) {
		if e.Data.Text == "poison" {
			panic("poison")
		}
		c.N++
	}))
	addNotes(t, store, "1", "poison")
	if _, err := store.Append(t.Context(), "note-b", eventstore.Any, note{"2"}); err != nil {
		t.Fatal(err)
	}
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	if err := projections.CatchUp(t.Context(), store, p, table, projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if n, err := admin.Drop(t.Context(), p.ID(), "note-a"); err != nil || n != 1 {
		t.Fatalf("%d events were dropped: %v", n, err)
	}
	if v, err := projections.Verify(t.Context(), store, p, table, 1); err != nil || v.Rows != 2 || len(v.Differences) > 0 || len(v.Refused) != 1 {
		t.Errorf("verified: %+v, %v", v, err)
	}
}

// TestRebuildOfAPausedProjection is refused before anything is cleared.
func TestRebuildOfAPausedProjection(t *testing.T) {
	store, pool := openNotes(t), open(t)
	p := projections.Define("notes", projections.Fold(func(c *counter, e eventstore.Recorded[note]) { c.N++ }))
	addNotes(t, store, "1")
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	if err := projections.CatchUp(t.Context(), store, p, table); err != nil {
		t.Fatal(err)
	}
	if err := admin.Pause(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	wantError(t, projections.Rebuild(t.Context(), store, p, table), "notes", "paused", "brokerd projections resume")
	if n := number(t, pool, "SELECT count(*) FROM notes_v1.rows"); n != 1 {
		t.Errorf("%d rows are left", n)
	}
}
