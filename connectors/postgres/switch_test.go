package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
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

// ops counts, in rows of some type.
func ops[Row any](version int, fold func(*Row)) *projections.Projection[*projections.Rows[Row]] {
	return projections.Define("ops", projections.FoldBy(func(eventstore.Recorded[numbered]) string { return "all" }, func(row *Row, _ eventstore.Recorded[numbered]) { fold(row) })).Version(version)
}

// TestViewsAreBuiltOn has others build on the views that readers see, and be granted what they need: a rebuild and a switch leave that, as long as the columns
// are there.
func TestViewsAreBuiltOn(t *testing.T) {
	type wider struct{ N, More int64 }
	type other struct{ N string }
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 4, 1)
	events := int64(4)
	first := ops(1, func(c *counter) { c.N++ })
	table, admin := postgres.NewTable[counter](pool), postgres.NewAdmin(pool)
	if err := projections.CatchUp(t.Context(), store, first, table); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA reports; CREATE VIEW reports.total AS SELECT sum(n)::bigint AS n FROM ops.rows; GRANT SELECT ON ops.rows TO pg_monitor"); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		if n := number(t, pool, "SELECT n FROM reports.total"); n != events {
			t.Errorf("%s: the report says %d", when, n)
		}
		if n := number(t, pool, "SELECT has_table_privilege('pg_monitor', 'ops.rows', 'SELECT')::int"); n != 1 {
			t.Errorf("%s: the grant is gone", when)
		}
	}
	check("at first")
	if err := table.Reset(t.Context(), first.ID()); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT count(*) FROM ops.rows"); n != 0 {
		t.Errorf("after a reset readers see %d rows", n)
	}
	if err := projections.Rebuild(t.Context(), store, first, table); err != nil {
		t.Fatal(err)
	}
	check("after a rebuild")
	second := ops(2, func(w *wider) { w.N++ })
	if err := projections.CatchUp(t.Context(), store, second, postgres.NewTable[wider](pool)); err != nil {
		t.Fatal(err)
	}
	if err := admin.Switch(t.Context(), second.ID()); err != nil {
		t.Fatal(err)
	}
	check("with another column behind the others")
	third := ops(3, func(o *other) { o.N += "+" })
	if err := projections.CatchUp(t.Context(), store, third, postgres.NewTable[other](pool)); err != nil {
		t.Fatal(err)
	}
	wantError(t, admin.Switch(t.Context(), third.ID()), "view reports.total depends on view ops.rows", "drop that first")
	check("after a switch that was refused")
	if _, err := pool.Exec(t.Context(), "DROP VIEW reports.total"); err != nil {
		t.Fatal(err)
	}
	if err := admin.Switch(t.Context(), third.ID()); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT length(n) FROM ops.rows"); n != events {
		t.Errorf("the live version counted %d", n)
	}
}

// TestSwitchToNothing has an operator switch to a version that was reset.
func TestSwitchToNothing(t *testing.T) {
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 4, 1)
	table := postgres.NewTable[counter](pool)
	for version := range 2 {
		if err := projections.CatchUp(t.Context(), store, ops(1+version, func(c *counter) { c.N++ }), table); err != nil {
			t.Fatal(err)
		}
	}
	second := projections.ID{Name: "ops", Version: 2}
	if err := table.Reset(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := postgres.NewAdmin(pool).Switch(t.Context(), second); !errors.Is(err, projections.ErrInvalid) {
		t.Errorf("switching to it: %v", err)
	}
	if n := number(t, pool, "SELECT n FROM ops.rows"); n != 4 {
		t.Errorf("readers see %d", n)
	}
}

// TestSwitchWaits has a reader be in a transaction for longer than anybody waits for a lock at a time.
func TestSwitchWaits(t *testing.T) {
	store, pool := openStore(t), open(t)
	appendNumbers(t, store, 0, 4, 1)
	for version := range 2 {
		if err := projections.CatchUp(t.Context(), store, ops(1+version, func(c *counter) { c.N++ }), postgres.NewTable[counter](pool)); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT FROM ops.rows"); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { _ = reader.Rollback(context.WithoutCancel(t.Context())) })
	defer end()
	time.AfterFunc(3*time.Second, end)
	if err := postgres.NewAdmin(pool).Switch(t.Context(), projections.ID{Name: "ops", Version: 2}); err != nil {
		t.Error(err)
	}
}

// TestResetWhileParking resets a projection while a commit sets an event aside.
func TestResetWhileParking(t *testing.T) {
	pool := open(t)
	sink := postgres.NewSink(pool)
	claim := projections.Claim{Projection: "ops", Version: 1, Topic: "events", Epoch: 1, Partitions: 1}
	lane, err := sink.Claim(t.Context(), claim)
	if err != nil {
		t.Fatal(err)
	}
	inside, waits, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- lane.Commit(t.Context(), projections.Mark{Next: 1}, func(pgx.Tx) error {
			lane.(projections.Parking).SetAside(projections.ParkedEvent{Stream: "a-b", ID: uuid.New(), Type: "x", Reason: "y"})
			close(inside)
			<-waits
			return nil
		})
	}()
	<-inside
	reset := make(chan error, 1)
	go func() { reset <- sink.Reset(t.Context(), claim.ID()) }()
	awaitLocks(t, pool, 1)
	close(waits)
	if err := errors.Join(<-ended, <-reset); err != nil {
		t.Error(err)
	}
}

// awaitLocks returns when so many transactions about the projection ops wait for locks.
func awaitLocks(t *testing.T, pool *pgxpool.Pool, n int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); number(t, pool, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'strand ops%' AND wait_event_type = 'Lock'") < n; {
		if time.Now().After(deadline) {
			t.Fatalf("not %d transactions wait for locks within %v", n, patience)
		}
	}
}

// made is a version of a projection whose Setup makes a table.
func made(t *testing.T, pool *pgxpool.Pool, version int, sql string) error {
	t.Helper()
	return postgres.NewSink(pool).Setup(t.Context(), projections.ID{Name: "ops", Version: version}, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), sql)
		return err
	})
}

// TestReaderHoldsViewInARebuild has a reader be in a transaction when a rebuild makes its tables: others read meanwhile, and other versions are claimed.
func TestReaderHoldsViewInARebuild(t *testing.T) {
	for name, setUp := range map[string]func(*pgxpool.Pool) error{
		"handlers": func(pool *pgxpool.Pool) error { return made(t, pool, 1, "CREATE TABLE rows (n bigint)") },
		"table": func(pool *pgxpool.Pool) error {
			return postgres.NewTable[counter](pool).Setup(t.Context(), claimOf(1).ID(), func(*projections.Rows[counter]) error { return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			pool := open(t)
			if err := setUp(pool); err != nil {
				t.Fatal(err)
			}
			if err := postgres.NewSink(pool).Reset(t.Context(), claimOf(1).ID()); err != nil {
				t.Fatal(err)
			}
			reader, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = reader.Rollback(context.WithoutCancel(t.Context())) }()
			if _, err := reader.Exec(t.Context(), "SELECT FROM ops.rows"); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- setUp(pool) }()
			awaitLocks(t, pool, 1)
			limited, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := pool.Exec(limited, "SELECT FROM ops.rows"); err != nil {
				t.Errorf("another reader: %v", err)
			}
			soon(t, "another version was claimed", func(ctx context.Context) (projections.Lane[pgx.Tx], error) {
				return postgres.NewSink(pool).Claim(ctx, claimOf(2))
			})
			if err := reader.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// TestViewsKeepOptions resets a version whose view has an option on which the safety of rows rests.
func TestViewsKeepOptions(t *testing.T) {
	pool := open(t)
	const table = `CREATE TABLE odd (a varchar(10), b numeric(5, 2)[], c text COLLATE "C", "weird ""name" interval second(2), d "char", e int GENERATED ALWAYS AS IDENTITY); CREATE TABLE none ()`
	if err := made(t, pool, 1, table); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "ALTER VIEW ops.odd SET (security_invoker = on, security_barrier = on); CREATE SCHEMA reports; CREATE VIEW reports.odd AS SELECT * FROM ops.odd"); err != nil {
		t.Fatal(err)
	}
	if err := postgres.NewSink(pool).Reset(t.Context(), projections.ID{Name: "ops", Version: 1}); err != nil {
		t.Fatal(err)
	}
	if err := made(t, pool, 1, table); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT count(*) FROM pg_class WHERE oid = 'ops.odd'::regclass AND reloptions @> '{security_invoker=on,security_barrier=on}'"); n != 1 {
		t.Error("the options of the view are gone")
	}
	if n := number(t, pool, "SELECT count(*) FROM reports.odd"); n != 0 {
		t.Errorf("the report has %d rows", n)
	}
}

// TestRoles has workers and operators be of several roles: the workers can go on with what operators have made, and are not stopped by what they may not end.
func TestRoles(t *testing.T) {
	pool := open(t)
	database := pgx.Identifier{pool.Config().ConnConfig.Database}.Sanitize()
	if _, err := pool.Exec(t.Context(), `CREATE ROLE "App.x" LOGIN; GRANT CREATE ON DATABASE `+database+` TO "App.x"; GRANT ALL ON SCHEMA strand TO "App.x";
		GRANT ALL ON ALL TABLES IN SCHEMA strand TO "App.x"; GRANT pg_read_all_stats TO "App.x"`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := pool.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY \"App.x\" CASCADE; DROP ROLE \"App.x\""); err != nil {
			t.Error(err)
		}
	})
	cfg := pool.Config().Copy()
	cfg.ConnConfig.User = "App.x"
	app, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Close)
	sink := postgres.NewSink(app)
	for version := 1; version <= 2; version++ {
		if err := made(t, app, version, fmt.Sprintf("CREATE TABLE odd (a%d text)", version)); err != nil {
			t.Fatal(err)
		}
		if _, err := sink.Claim(t.Context(), claimOf(version)); err != nil {
			t.Fatal(err)
		}
	}
	if err := postgres.NewAdmin(pool).Switch(t.Context(), claimOf(2).ID()); err != nil {
		t.Fatal(err)
	}
	if err := sink.Reset(t.Context(), claimOf(2).ID()); err != nil {
		t.Errorf("a reset: %v", err)
	}
	if err := made(t, app, 2, "CREATE TABLE odd (a2 text)"); err != nil {
		t.Errorf("a rebuild: %v", err)
	}
	held, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := held.Exec(t.Context(), "SELECT set_config('application_name', 'strand ops v1 upkeep', true) FROM strand.projections WHERE version = 1 FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Claim(t.Context(), claimOf(1)); !errors.Is(err, projections.ErrTransient) {
		t.Errorf("a claim while another role holds what it needs: %v", err)
	}
}
