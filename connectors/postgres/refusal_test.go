package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// note is an event with a text that may be anything.
type note struct{ Text string }

// openNotes gives a store of one partition in memory.
func openNotes(t *testing.T) *eventstore.Store {
	t.Helper()
	store, err := eventstore.Open(t.Context(), eventstore.NewMemory(), eventstore.Config{Partitions: 1}, eventstore.Category{Name: "note", Events: map[string]any{"noted": note{}}})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func addNotes(t *testing.T, store *eventstore.Store, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := store.Append(t.Context(), "note-a", eventstore.Any, note{text}); err != nil {
			t.Fatal(err)
		}
	}
}

// noting has a handler that runs SQL with the text of each event.
func noting(setup, sql string) *projections.Projection[pgx.Tx] {
	return projections.Define("notes", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[note]) error {
		_, err := tx.Exec(ctx, sql, e.Data.Text)
		return err
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, setup)
		return err
	})
}

// number asks for a number.
func number(t *testing.T, pool *pgxpool.Pool, sql string) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("there was no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
}

// TestRefusedEvents has the second of three events fail in a handler: the first is there, the checkpoint stands behind it, the error says what to do, and
// when it was done the projection goes on.
func TestRefusedEvents(t *testing.T) {
	const table = "CREATE TABLE notes (id serial, text text NOT NULL)" //nolint:dupword // a column and its type
	for _, test := range []struct {
		name, setup, sql string
		bad              string // the second event
		want             []string
		mend, mended     string // SQL of the database, or of another handler
	}{
		{
			name: "missing table", setup: table, sql: "INSERT INTO notes (text) VALUES ($1)", bad: "DROP",
			want: []string{"does not exist", "create it in the projection's Setup"}, mend: "ALTER TABLE notes_v1.hidden RENAME TO notes",
		},
		{
			name: "text for a number", setup: "CREATE TABLE notes (text text, n integer)", sql: "INSERT INTO notes (n, text) SELECT $1::text::integer, $1", bad: "many",
			want:   []string{"invalid input syntax", "mend the handler, or the table"},
			mended: "INSERT INTO notes (text) VALUES ($1)",
		},
		{
			name: "constraint", setup: "CREATE TABLE notes (text text CHECK (text <> 'bad'))", sql: "INSERT INTO notes (text) VALUES ($1)", bad: "bad",
			want: []string{"violates check constraint", "mend the handler, or the table"}, mend: "ALTER TABLE notes_v1.notes DROP CONSTRAINT notes_text_check",
		},
		{
			name: "NUL", setup: table, sql: "INSERT INTO notes (text) VALUES ($1)", bad: "a\x00b",
			want: []string{"invalid byte sequence", "PostgreSQL's text holds no NUL"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool, store := open(t), openNotes(t)
			p := noting(test.setup, test.sql)
			addNotes(t, store, "1")
			if err := projections.CatchUp(t.Context(), store, p, postgres.NewSink(pool)); err != nil {
				t.Fatal(err)
			}
			if test.bad == "DROP" {
				if _, err := pool.Exec(t.Context(), "ALTER TABLE notes_v1.notes RENAME TO hidden"); err != nil {
					t.Fatal(err)
				}
				addNotes(t, store, "2", "3")
				err := projections.CatchUp(t.Context(), store, p, postgres.NewSink(pool))
				wantError(t, err, append(test.want, "notes v1", "events/0@1")...)
			} else {
				addNotes(t, store, "2", test.bad, "3")
				err := projections.CatchUp(t.Context(), store, p, postgres.NewSink(pool))
				wantError(t, err, append(test.want, "notes v1", "events/0@2", "note.noted")...)
				if !errors.Is(err, projections.ErrHandler) {
					t.Errorf("it is no ErrHandler: %v", err)
				}
				if n, at := number(t, pool, "SELECT count(*) FROM notes_v1.notes"), number(t, pool, "SELECT next_offset FROM strand.checkpoints"); n != 2 || at != 2 {
					t.Errorf("there are the effects of %d events, and the checkpoint stands at %d", n, at)
				}
			}
			if test.mend == "" && test.mended == "" {
				return
			}
			if _, err := pool.Exec(t.Context(), test.mend); err != nil {
				t.Fatal(err)
			}
			if err := projections.CatchUp(t.Context(), store, noting("", cmp.Or(test.mended, test.sql)), postgres.NewSink(pool)); err != nil {
				t.Fatal(err)
			}
			if n, at := number(t, pool, "SELECT count(*) FROM notes_v1.notes"), number(t, pool, "SELECT next_offset FROM strand.checkpoints"); n != at || n < 3 {
				t.Errorf("mended, there are the effects of %d events, and the checkpoint stands at %d", n, at)
			}
		})
	}
}

// TestRefusedRows has folds make rows that PostgreSQL cannot hold.
func TestRefusedRows(t *testing.T) {
	type row struct{ Text string }
	byText := projections.Define("notes", projections.FoldBy(
		func(e eventstore.Recorded[note]) string { return strings.TrimPrefix(e.Data.Text, "value ") },
		func(r *row, e eventstore.Recorded[note]) {
			if strings.HasPrefix(e.Data.Text, "value ") {
				r.Text = e.Data.Text + "\xff"
			}
		}))
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"key with NUL":             {"a\x00b", []string{`row "a\x00b"`, "holds no NUL", "clean the value"}},
		"value that is no UTF-8":   {"value b", []string{`row "b"`, `column "text"`, "only valid UTF-8", "clean the value"}},
		"both, and bytes would do": {"value a\x00", []string{"holds no NUL", "or keep it as bytes"}},
	} {
		t.Run(name, func(t *testing.T) {
			pool, store := open(t), openNotes(t)
			addNotes(t, store, "good", test.text)
			err := projections.CatchUp(t.Context(), store, byText, postgres.NewTable[row](pool))
			wantError(t, err, append(test.want, "notes v1", "events/0@1", "note.noted", "note-a")...)
			if n, at := number(t, pool, "SELECT count(*) FROM notes_v1.rows"), number(t, pool, "SELECT next_offset FROM strand.checkpoints"); n != 1 || at != 1 {
				t.Errorf("there are the effects of %d events, and the checkpoint stands at %d", n, at)
			}
		})
	}
}

// TestRefusedTable has the table of a projection version be another one than the rows need.
func TestRefusedTable(t *testing.T) {
	pool, store := open(t), openNotes(t)
	addNotes(t, store, "1")
	type before struct{ Text string }
	type after struct{ Text, More string }
	if err := projections.CatchUp(t.Context(), store, projections.Define("notes", projections.Fold(func(*before, eventstore.Recorded[note]) {})), postgres.NewTable[before](pool)); err != nil {
		t.Fatal(err)
	}
	addNotes(t, store, "2")
	err := projections.CatchUp(t.Context(), store, projections.Define("notes", projections.Fold(func(*after, eventstore.Recorded[note]) {})), postgres.NewTable[after](pool))
	wantError(t, err, "notes v1", "partition 0", `"notes_v1"."rows"`, "more text", "raise the projection's version")
	if at := number(t, pool, "SELECT next_offset FROM strand.checkpoints"); at != 1 {
		t.Errorf("the checkpoint stands at %d", at)
	}
}

// TestHostileNames gives names that would be SQL if they were not quoted.
func TestHostileNames(t *testing.T) {
	pool, store := open(t), openNotes(t)
	addNotes(t, store, "1", "2")
	hostile := []string{`a"b`, `x;drop schema strand cascade`, `x'); DROP TABLE strand.checkpoints; --`, "a b", "ä", strings.Repeat("long", 30)}
	for _, name := range hostile {
		err := projections.CatchUp(t.Context(), store, projections.Define(name, projections.Fold(func(*int, eventstore.Recorded[note]) {})), postgres.NewTable[int](pool))
		if !errors.Is(err, projections.ErrInvalid) {
			t.Errorf("projection %q: %v", name, err)
		}
		// Whoever uses the sink without Run gets no further.
		claim := projections.Claim{Projection: name, Version: 1, Topic: `t"; DROP`, TopicID: uuid.New(), LogID: uuid.New(), Epoch: 1}
		sink := postgres.NewSink(pool)
		if err := sink.Setup(t.Context(), claim.ID(), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "CREATE TABLE marks (n integer)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		lane, err := sink.Claim(t.Context(), claim)
		if err != nil {
			t.Fatal(err)
		}
		if err := lane.Commit(t.Context(), projections.Mark{Next: 1}, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "INSERT INTO marks VALUES (1)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		views := pgx.Identifier{postgres.Views(name), "marks"}.Sanitize()
		if n := number(t, pool, "SELECT count(*) FROM "+views); n != 1 {
			t.Errorf("projection %q: %d rows behind its view", name, n)
		}
		if err := sink.Reset(t.Context(), claim.ID()); err != nil {
			t.Fatal(err)
		}
	}
	if n := number(t, pool, "SELECT count(*) FROM strand.projections"); n != int64(len(hostile)) {
		t.Errorf("there are %d projections", n)
	}
	type row struct {
		A int    `db:"a\"b"`
		B string `db:"x;drop table strand.checkpoints"`
		C []int  `db:"SELECT"`
		D bool   `db:"$1"`
		E string `db:"u.k, s) --"`
	}
	p := projections.Define("hostile", projections.Fold(func(r *row, e eventstore.Recorded[note]) {
		r.A, r.B, r.C, r.D, r.E = r.A+1, r.B+e.Data.Text, append(r.C, r.A), true, "'; DROP SCHEMA strand CASCADE; --"
	}))
	table := postgres.NewTable[row](pool)
	for range 2 { // the second one finds the table
		if err := projections.CatchUp(t.Context(), store, p, postgres.NewTable[row](pool)); err != nil {
			t.Fatal(err)
		}
		addNotes(t, store, "3")
	}
	got, ok, err := table.Get(t.Context(), p, "a")
	if err != nil || !ok || got.A != 3 || got.B != "123" || len(got.C) != 3 || !got.D || !strings.HasPrefix(got.E, "';") {
		t.Errorf("the row is %+v, %v, %v", got, ok, err)
	}
	type nul struct {
		A int `db:"a\x00b"`
	}
	err = projections.CatchUp(t.Context(), store, projections.Define("nul", projections.Fold(func(*nul, eventstore.Recorded[note]) {})), postgres.NewTable[nul](pool))
	wantError(t, err, "field A", `"a\x00b"`, "no NUL")
}

// TestNoServer begins where no server is.
func TestNoServer(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), "postgres:///nothing?user=postgres&host="+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	store := openNotes(t)
	addNotes(t, store, "1")
	shared, err := eventstore.Open(t.Context(), brokertest.Cluster(t, 1).Client(0), eventstore.Config{}, eventstore.Category{Name: "note", Events: map[string]any{"noted": note{}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience) // Run ends without an error when this does
	defer cancel()
	began := time.Now()
	p := projections.Define("notes", projections.Fold(func(n *int, _ eventstore.Recorded[note]) { *n++ }))
	for name, run := range map[string]func() error{
		"a shared table": func() error { return projections.Run(ctx, shared, p, postgres.NewTable[int](pool)) },
		"a table":        func() error { return projections.Run(ctx, store, p, postgres.NewTable[int](pool)) },
		"transactions":   func() error { return projections.Run(ctx, store, noting("", ""), postgres.NewSink(pool)) },
	} {
		wantError(t, run(), "notes v1", "failed to connect", "start PostgreSQL, or correct the address")
		t.Logf("%s: at once", name)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}

// TestNoSchema begins in a database without schema strand.
func TestNoSchema(t *testing.T) {
	pool := pgtest.Pool(t)
	store := openNotes(t)
	err := projections.Run(t.Context(), store, noting("", ""), postgres.NewSink(pool))
	wantError(t, err, "notes v1", "brokerd migrate up")
	if !errors.Is(err, migrations.ErrPending) {
		t.Errorf("it is no ErrPending: %v", err)
	}
}

// TestSwallowedError has a handler go on after an error of PostgreSQL, which then commits nothing: the event at fault is parked, and the reason says what to do.
func TestSwallowedError(t *testing.T) {
	store, pool := openNotes(t), open(t)
	p := projections.Define("notes", projections.On(func(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[note]) error {
		_, _ = tx.Exec(ctx, "INSERT INTO notes VALUES ($1::text::integer)", e.Data.Text)
		return nil
	})).Setup(func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE TABLE notes (n integer)")
		return err
	})
	for i, text := range []string{"1", "x", "3"} {
		if _, err := store.Append(t.Context(), fmt.Sprint("note-", i), eventstore.Any, note{text}); err != nil {
			t.Fatal(err)
		}
	}
	if err := projections.CatchUp(t.Context(), store, p, postgres.NewSink(pool), projections.OnError(projections.Park, 2)); err != nil {
		t.Fatal(err)
	}
	parked, err := postgres.NewAdmin(pool).Parked(t.Context(), p.ID())
	if err != nil || len(parked) != 1 || parked[0].Stream != "note-1" || !strings.Contains(parked[0].Reason, "savepoint") {
		t.Errorf("parked are %+v, %v", parked, err)
	}
	if n := number(t, pool, "SELECT sum(n) FROM notes_v1.notes"); n != 4 {
		t.Errorf("the others came to %d, want 4", n)
	}
}

// TestErrorsOfHandlers has handlers fail at something else than PostgreSQL in ways that look as if a connection were lost: that is for the policy.
func TestErrorsOfHandlers(t *testing.T) {
	_, missing := os.ReadFile(filepath.Join(t.TempDir(), "missing"))
	for name, bad := range map[string]error{
		"the end of a payload": io.EOF, "half of a payload": fmt.Errorf("decoding: %w", io.ErrUnexpectedEOF), "a file": missing,
		"somebody else's server": &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED},
	} {
		t.Run(name, func(t *testing.T) {
			pool, store := open(t), openNotes(t)
			addNotes(t, store, "1", "bad")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			written := projections.Define("written", projections.On(func(_ context.Context, _ pgx.Tx, e eventstore.Recorded[note]) error {
				if e.Data.Text == "bad" {
					return bad
				}
				return nil
			}))
			if err := projections.CatchUp(ctx, store, written, postgres.NewSink(pool)); !errors.Is(err, projections.ErrHandler) || !errors.Is(err, bad) {
				t.Errorf("a handler with SQL: %v", err)
			}
			folded := projections.Define("folded", projections.On(func(ctx context.Context, rows *projections.Rows[counter], e eventstore.Recorded[note]) error {
				if e.Data.Text == "bad" {
					return bad
				}
				_, err := rows.Row(ctx, e.Data.Text)
				return err
			}))
			if err := projections.CatchUp(ctx, store, folded, postgres.NewTable[counter](pool), projections.OnError(projections.Park, 2)); err != nil {
				t.Errorf("a handler of rows: %v", err)
			}
			if parked, err := postgres.NewAdmin(pool).Parked(ctx, folded.ID()); err != nil || len(parked) != 1 {
				t.Errorf("parked are %+v, %v", parked, err)
			}
		})
	}
}

// TestPoisonOfTwoKinds has one commit hold an event that PostgreSQL refuses, and a later one that its fold does.
func TestPoisonOfTwoKinds(t *testing.T) {
	type text struct{ Text string }
	store, pool := openNotes(t), open(t)
	p := projections.Define("texts", projections.Fold(func(row *text, e eventstore.Recorded[note]) {
		if e.Data.Text == "panic" {
			panic("poison")
		}
		row.Text = e.Data.Text
	}))
	for range 64 { // by then a commit takes all that follows
		addNotes(t, store, "warm")
	}
	for i, value := range []string{"x\x00y", "z", "panic", "w"} {
		if _, err := store.Append(t.Context(), fmt.Sprintf("note-%d", i), eventstore.Any, note{value}); err != nil {
			t.Fatal(err)
		}
	}
	if err := projections.CatchUp(t.Context(), store, p, postgres.NewTable[text](pool), projections.OnError(projections.Park, 1)); err != nil {
		t.Fatal(err)
	}
	if n := number(t, pool, "SELECT count(*) FROM texts_v1.rows WHERE text IN ('z', 'w')"); n != 2 {
		t.Errorf("%d of 2 good events have their effect", n)
	}
	if n := number(t, pool, "SELECT count(*) FROM strand.parked"); n != 2 {
		t.Errorf("%d events are parked, want 2", n)
	}
}
