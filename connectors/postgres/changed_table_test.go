package postgres_test

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// change is what becomes of a table under a worker.
type change struct {
	name string
	on   func(t *testing.T, l *tallyLog, c change)
	sql  string
	more int      // streams of the events that come then, beyond those that have rows
	want []string // of the error
	mend string   // empty: the read model is made anew
}

// TestTableChangesWhileItRuns has another session change a table under a worker, into one that it cannot write to. The worker ends with what to do, no
// effect lacks below the checkpoints, nothing is parked, and once the table is mended the read model is what the log comes to.
func TestTableChangesWhileItRuns(t *testing.T) {
	pass := func(string, eventstore.Position) {}
	folds := func(t *testing.T, l *tallyLog, c change) {
		changeUnder(t, l, folded(pass, 1), postgres.NewTable[tally](l.pool), "folded_v1.rows", c)
	}
	rows := func(t *testing.T, l *tallyLog, c change) {
		changeUnder(t, l, rowByRow(), postgres.NewTable[tally](l.pool), "folded_v1.rows", c)
	}
	sql := func(t *testing.T, l *tallyLog, c change) {
		changeUnder(t, l, written(pass, 1), postgres.NewSink(l.pool), "written_v1.tallies", c)
	}
	const (
		dropColumn = "ALTER TABLE folded_v1.rows DROP COLUMN chain CASCADE"
		toBoolean  = "DROP VIEW folded.rows; ALTER TABLE folded_v1.rows ALTER COLUMN sum TYPE boolean USING sum > 0"
		version    = "raise the projection's version"
	)
	for _, c := range []change{
		{
			name: "folds, table dropped", on: folds, sql: "DROP TABLE folded_v1.rows CASCADE", more: 9,
			want: []string{`relation "folded_v1.rows" does not exist`, "call projections.Rebuild"},
		},
		{name: "folds, column dropped", on: folds, sql: dropColumn, more: 9, want: []string{`column "chain" does not exist`, version}},
		{name: "folds, column of another type", on: folds, sql: toBoolean, want: []string{"col: sum", version}},
		{
			name: "folds, column of a type that can still be read", on: folds,
			sql: `DROP VIEW folded.rows;
				DO $$ BEGIN EXECUTE (SELECT 'CREATE TYPE folded_v1.sums AS ENUM (' || string_agg(DISTINCT quote_literal(sum), ',') || ')' FROM folded_v1.rows); END $$;
				ALTER TABLE folded_v1.rows ALTER COLUMN sum TYPE folded_v1.sums USING sum::text::folded_v1.sums`,
			want: []string{`column "sum" is of type folded_v1.sums`, version},
			mend: "ALTER TABLE folded_v1.rows ALTER COLUMN sum TYPE bigint USING sum::text::bigint",
		},
		{
			name: "folds, column that has to be given", on: folds, more: 9,
			sql:  "ALTER TABLE folded_v1.rows ADD COLUMN more text NOT NULL DEFAULT ''; ALTER TABLE folded_v1.rows ALTER COLUMN more DROP DEFAULT",
			want: []string{`null value in column "more"`, "mend the handler, or the table"},
			mend: "ALTER TABLE folded_v1.rows DROP COLUMN more",
		},
		{name: "rows, column dropped", on: rows, sql: dropColumn, more: 9, want: []string{`column "chain" does not exist`, version, "tally.added"}},
		{name: "rows, column of another type", on: rows, sql: toBoolean, want: []string{"col: sum", version, "tally.added"}},
		{
			name: "SQL, table dropped", on: sql, sql: "DROP TABLE written_v1.tallies CASCADE", more: 9,
			want: []string{`relation "tallies" does not exist`, "create it in the projection's Setup, and rebuild", "tally.added"},
		},
		{
			name: "SQL, column renamed", on: sql, sql: "ALTER TABLE written_v1.tallies RENAME COLUMN sum TO total", more: 9,
			want: []string{`column "sum" does not exist`, version, "tally.added"},
			mend: "ALTER TABLE written_v1.tallies RENAME COLUMN total TO sum",
		},
	} {
		t.Run(c.name, func(t *testing.T) { c.on(t, openTallies(t), c) })
	}
}

// rowByRow counts as folded does, in rows that each event asks for by itself.
func rowByRow() *projections.Projection[*projections.Rows[tally]] {
	return projections.Define("folded", projections.On(func(ctx context.Context, rows *projections.Rows[tally], e eventstore.Recorded[added]) error {
		row, err := rows.Row(ctx, e.Stream.Key())
		if err == nil {
			row.add(e.Data.N, base(1))
		}
		return err
	}))
}

// changeUnder changes a table under a worker that runs, and mends it.
func changeUnder[T any](t *testing.T, l *tallyLog, p *projections.Projection[T], sink projections.Sink[T], table string, c change) {
	t.Helper()
	const streams, events = 20, 60
	l.appendEvents(0, events, streams)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- projections.Run(ctx, l.store, p, sink, projections.OnError(projections.Park, 1)) }()
	await(t, l.store, p, sink)
	before := l.checkpoints(p.ID())
	l.inAnotherSession(c.sql)
	l.appendEvents(events, 2*events, streams+c.more)

	err := <-ended
	wantError(t, err, append(c.want, p.ID().String())...)
	partition, offset := placeIn(t, err)
	after := l.checkpoints(p.ID())
	if after[partition] > offset {
		t.Errorf("the checkpoint of partition %d is %d, beyond offset %d of the error", partition, after[partition], offset)
	}
	if n := number(t, l.pool, "SELECT count(*) FROM strand.parked"); n != 0 {
		t.Errorf("%d events are parked", n)
	}
	rows := "SELECT key, count, sum, chain FROM " + table + " WHERE key LIKE 'k%'"
	if c.mend == "" {
		if !maps.Equal(before, after) {
			t.Errorf("the checkpoints moved from %v to %v", before, after)
		}
		if err := projections.Rebuild(ctx, l.store, p, sink); err != nil {
			t.Fatal(err)
		}
	} else {
		l.inAnotherSession(c.mend)
		if diff := gocmp.Diff(foldLog(t, l.client, 1, after).streams, readModel(t, l.pool, rows)); diff != "" {
			t.Errorf("below the checkpoints %v (-log +PostgreSQL):\n%s", after, diff)
		}
	}
	run(t, l.store, p, sink)
	l.appendEvents(2*events, 3*events, 2*streams)
	await(t, l.store, p, sink)
	if diff := gocmp.Diff(foldLog(t, l.client, 1, nil).streams, readModel(t, l.pool, rows)); diff != "" {
		t.Errorf("mended (-log +PostgreSQL):\n%s", diff)
	}
}

// placeIn is the place that an error names.
func placeIn(t *testing.T, err error) (partition int32, offset int64) {
	t.Helper()
	for _, form := range []string{`events/(\d+)@(\d+)`, `partition (\d+) .* from offset (\d+) up to \d+`} {
		if found := regexp.MustCompile(form).FindStringSubmatch(err.Error()); found != nil {
			p, _ := strconv.Atoi(found[1])
			o, _ := strconv.Atoi(found[2])
			return int32(p), int64(o)
		}
	}
	t.Fatalf("the error names no place: %v", err)
	return 0, 0
}

func (l *tallyLog) inAnotherSession(sql string) {
	l.t.Helper()
	conn, err := pgx.Connect(l.t.Context(), l.pool.Config().ConnString())
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close(l.t.Context())
	if _, err := conn.Exec(l.t.Context(), sql); err != nil {
		l.t.Fatal(err)
	}
}

// checkpoints are the next offsets of partitions.
func (l *tallyLog) checkpoints(p projections.ID) map[int32]int64 {
	l.t.Helper()
	all, err := postgres.NewAdmin(l.pool).List(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	next := map[int32]int64{}
	for _, o := range all {
		for _, at := range o.Partitions {
			if o.ID == p {
				next[at.Partition] = at.Next
			}
		}
	}
	return next
}

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
