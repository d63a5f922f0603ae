package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

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

// TestReplayedByWorkers has workers of both versions run, and wait for events, when readers are to see the other version.
func TestReplayedByWorkers(t *testing.T) {
	store, pool := openStore(t), open(t)
	table := postgres.NewTable[counter](pool)
	var effects [3]atomic.Int32 // by versions
	version := func(n int) *projections.Projection[*projections.Rows[counter]] {
		return projections.Define("mails", projections.On(func(ctx context.Context, rows *projections.Rows[counter], e eventstore.Recorded[numbered]) error {
			if !projections.Replayed(ctx, e.Position) {
				effects[n].Add(1)
			}
			row, err := rows.Row(ctx, e.Stream.Key())
			if err == nil {
				row.N++
			}
			return err
		})).Version(n)
	}
	for n := 1; n <= 2; n++ {
		run(t, store, version(n), table)
		appendNumbers(t, store, 0, 8, 8)
		await(t, store, version(n), table) // the first one is that which readers see
	}
	await(t, store, version(1), table)
	if err := postgres.NewAdmin(pool).Switch(t.Context(), projections.ID{Name: "mails", Version: 2}); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 0, 8, 8)
	for n := 1; n <= 2; n++ {
		await(t, store, version(n), table)
	}
	if old, other := effects[1].Load(), effects[2].Load(); old != 16 || other != 8 {
		t.Errorf("the former version had %d effects, want 16, and the other one %d, want 8", old, other)
	}
}

// claimOf is one for a version of a projection that is driven by hand.
func claimOf(version int) projections.Claim {
	return projections.Claim{Projection: "ops", Version: version, Topic: "events", TopicID: uuid.UUID{1}, LogID: uuid.UUID{1}, Epoch: 1, Partitions: 1}
}

// claimed claims a partition, and moves its checkpoint.
func claimed(t *testing.T, table *postgres.Table[counter], c projections.Claim, next int64) (newFrom int64) {
	t.Helper()
	lane, err := table.Claim(t.Context(), c)
	if err == nil {
		err = lane.Commit(t.Context(), projections.Mark{Next: next}, func(*projections.Rows[counter]) error { return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return lane.(projections.Gated).NewFrom()
}

// TestNewsOfAnotherTopic has a version follow another topic than the one before: what that has passed says nothing of its events.
func TestNewsOfAnotherTopic(t *testing.T) {
	pool := open(t)
	table := postgres.NewTable[counter](pool)
	claimed(t, table, claimOf(1), 1000)
	other := claimOf(2)
	other.Topic, other.TopicID, other.LogID = "others", uuid.UUID{2}, uuid.UUID{2}
	claimed(t, table, other, 10)
	if err := postgres.NewAdmin(pool).Switch(t.Context(), other.ID()); err != nil {
		t.Fatal(err)
	}
	if n := claimed(t, table, other, 10); n != 0 {
		t.Errorf("its events are new from %d on", n)
	}
	other.Partition = 1
	if n := claimed(t, table, other, 0); n != 0 {
		t.Errorf("those of a partition that is claimed for the first time are new from %d on", n)
	}
}

// TestTwoSwitches has two operators have readers see another version at the same time: one comes after the other.
func TestTwoSwitches(t *testing.T) {
	pool := open(t)
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	for version := 1; version <= 3; version++ {
		claimed(t, table, claimOf(version), 10)
	}
	held, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := held.Exec(t.Context(), "SELECT FROM strand.checkpoints WHERE version = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	for version := 2; version <= 3; version++ {
		go func() { ended <- admin.Switch(t.Context(), projections.ID{Name: "ops", Version: version}) }()
	}
	awaitLocks(t, pool, 2)
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Fatal(err)
	}
	live, err := admin.Live(t.Context(), "ops")
	if err != nil {
		t.Fatal(err)
	}
	for version := 1; version <= 3; version++ {
		if n := claimed(t, table, claimOf(version), 10); (n == 10) != (version == live) {
			t.Errorf("version %d is live, and events are new to version %d from %d on", live, version, n)
		}
	}
}

// TestNoEffectsWhilePaused has a worker try a commit again and again: what it does outside of the database waits.
func TestNoEffectsWhilePaused(t *testing.T) {
	store, pool := openStore(t), open(t)
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	var effects atomic.Int32
	p := projections.Define("mails", projections.On(func(ctx context.Context, rows *projections.Rows[counter], e eventstore.Recorded[numbered]) error {
		own, cancel := context.WithCancel(ctx) // that of what it does
		cancel()
		if !projections.Replayed(own, e.Position) {
			effects.Add(1)
		}
		row, err := rows.Row(ctx, e.Stream.Key())
		if err == nil {
			row.N++
		}
		return err
	}))
	log := make(lines, 100)
	run(t, store, p, table, projections.Logger(slog.New(slog.NewTextHandler(log, nil))))
	appendNumbers(t, store, 0, 1, 1)
	await(t, store, p, table)
	if err := admin.Pause(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, store, 0, 1, 1)
	for range 4 {
		log.await(t, "is paused")
	}
	if n := effects.Load(); n != 1 {
		t.Errorf("%d effects when it is paused, want 1", n)
	}
	if err := admin.Resume(t.Context(), p.ID()); err != nil {
		t.Fatal(err)
	}
	await(t, store, p, table)
	if n := effects.Load(); n != 2 {
		t.Errorf("%d effects in the end, want 2", n)
	}
}
