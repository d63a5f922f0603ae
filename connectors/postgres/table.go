package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/projections"
)

// TableName is the name of the table in the schema of a projection version that a [Table] writes, and of the view that shows it.
const TableName = "rows"

// Table keeps the rows of folds in a table: the key of each as text, and a column for each exported field of Row, named in lower case with underscores,
// or by a tag such as `db:"name"`. Integers are bigint, floats double precision, then text, boolean, bytea, timestamptz and uuid; everything else is jsonb.
// A Row that is no struct has one column, value. The table is made with the projection's version: raise that when Row changes.
type Table[Row any] struct {
	database *database
	columns  []column
	broken   error // why Row cannot be stored
}

// NewTable makes a sink on a pool, which should have a connection for each partition that the process works on, and one more.
func NewTable[Row any](pool *pgxpool.Pool, options ...Option) *Table[Row] {
	columns, err := columnsOf(reflect.TypeFor[Row]())
	return &Table[Row]{database: newDatabase(pool, options), columns: columns, broken: err}
}

// Claim implements [projections.Sink].
func (t *Table[Row]) Claim(ctx context.Context, c projections.Claim) (projections.Lane[*projections.Rows[Row]], error) {
	if t.broken != nil {
		return nil, t.broken
	}
	got, err := t.database.claim(ctx, c, func(tx pgx.Tx) error {
		made, err := t.create(ctx, tx, c.ID())
		if err != nil || !made {
			return err
		}
		return showFirst(ctx, tx, c.ID())
	})
	if err != nil {
		return nil, err
	}
	t.database.announce()
	return &tableLane[Row]{lane: lane{database: t.database, claim: c, number: got.lane, mark: got.mark, from: got.newFrom}, table: t, sql: newStatements(c.ID(), t.columns)}, nil
}

// create makes the table, unless it is there. It refuses one that is not what Row needs, and to make one behind a checkpoint: the effects of all that is below
// would lack.
func (t *Table[Row]) create(ctx context.Context, tx pgx.Tx, p projections.ID) (made bool, err error) {
	rows, err := tx.Query(ctx, "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position", Schema(p), TableName)
	if err != nil {
		return false, err
	}
	is, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return false, err
	}
	want := []string{keyColumn + " text", stampColumn + " bigint"}
	for _, c := range t.columns {
		typ := c.typ
		if typ == "timestamptz" {
			typ = "timestamp with time zone"
		}
		want = append(want, c.name+" "+typ)
	}
	switch {
	case slices.Equal(is, want):
		return false, nil
	case len(is) > 0:
		return false, fmt.Errorf("postgres: table %s has the columns %s, and %v needs %s: raise the projection's version, so that a new table is made",
			quote(Schema(p), TableName), strings.Join(is, ", "), reflect.TypeFor[Row](), strings.Join(want, ", "))
	}
	var begun bool
	if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM strand.checkpoints WHERE projection = $1 AND version = $2 AND next_offset > 0)", p.Name, p.Version).Scan(&begun); err != nil {
		return false, err
	}
	if begun {
		return false, &projections.UnusableError{Err: fmt.Errorf("postgres: table %s was dropped, and with it what the events before the checkpoints came to: restore it, call projections.Rebuild, or raise the projection's version",
			quote(Schema(p), TableName))}
	}
	if err := createSchema(ctx, tx, p); err != nil {
		return false, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (%s text PRIMARY KEY, %s bigint NOT NULL", quote(Schema(p), TableName), keyColumn, stampColumn)
	for _, c := range t.columns {
		fmt.Fprintf(&b, ", %s %s", quote(c.name), c.typ)
		if c.kind != asJSON && c.kind != asBytes { // a nil slice is null
			b.WriteString(" NOT NULL")
		}
	}
	b.WriteString(") WITH (fillfactor = 85)")
	_, err = tx.Exec(ctx, b.String())
	return err == nil, err
}

// Place implements [projections.Placed].
func (t *Table[Row]) Place(ctx context.Context) (string, error) { return t.database.placeOf(ctx) }

// Setup implements [projections.Sink]. What fn changes is written when it has returned.
func (t *Table[Row]) Setup(ctx context.Context, p projections.ID, fn func(*projections.Rows[Row]) error) error {
	if t.broken != nil {
		return t.broken
	}
	return t.database.setUp(ctx, p, func(tx pgx.Tx) error {
		if _, err := t.create(ctx, tx, p); err != nil { // it is shown in the end
			return err
		}
		c := newCommit[Row](t.columns, newStatements(p, t.columns), tx)
		rows := projections.NewRows(c.load)
		if err := fn(rows); err != nil {
			return err
		}
		b := &pgx.Batch{}
		if err := c.write(b, rows.Changes()); err != nil {
			return err
		}
		return tx.SendBatch(ctx, b).Close()
	})
}

// Watch implements [projections.Sink].
func (t *Table[Row]) Watch(ctx context.Context, p projections.ID) iter.Seq2[projections.Checkpoints, error] {
	return t.database.watch(ctx, p)
}

// Reset implements [projections.Sink].
func (t *Table[Row]) Reset(ctx context.Context, p projections.ID) error {
	return t.database.reset(ctx, p)
}

// Get reads the row of a key as it was committed last.
func (t *Table[Row]) Get(ctx context.Context, p *projections.Projection[*projections.Rows[Row]], key string) (row Row, ok bool, err error) {
	if t.broken != nil {
		return row, false, t.broken
	}
	c := newCommit[Row](t.columns, newStatements(p.ID(), t.columns), t.database.pool)
	err = c.load(ctx, []string{key}, func(_ string, found Row) { row, ok = found, true })
	return row, ok, classified(err)
}

// Snapshot implements [projections.Snapshotter].
func (t *Table[Row]) Snapshot(ctx context.Context, p projections.ID, wanted func(key string) bool) (s projections.Snapshot[Row], err error) {
	if t.broken != nil {
		return s, t.broken
	}
	if err := t.database.check(ctx); err != nil {
		return s, err
	}
	s.Rows = map[string]Row{}
	err = pgx.BeginTxFunc(ctx, t.database.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		if s.Checkpoints, err = readCheckpoints(ctx, tx, p); err != nil {
			return err
		}
		if s.Parked, err = readParked(ctx, tx, p); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", quote(Schema(p), TableName)).Scan(&there); err != nil || !there {
			return err
		}
		rows, err := tx.Query(ctx, newStatements(p, t.columns).all)
		if err != nil {
			return err
		}
		return scanRows(rows, t.columns, func(key string, _ int64, row Row) {
			if wanted(key) {
				s.Rows[key] = row
			}
		})
	})
	return s, classified(err)
}

// AsStored gives what the table keeps of a row: its columns, times to the microsecond and in UTC.
func (t *Table[Row]) AsStored(row Row) (Row, error) {
	var kept Row
	from, to := reflect.ValueOf(&row).Elem(), reflect.ValueOf(&kept).Elem()
	for i := range t.columns {
		c := &t.columns[i]
		switch c.kind {
		case asTime:
			c.of(to).Set(reflect.ValueOf(c.of(from).Interface().(time.Time).UTC().Truncate(time.Microsecond)))
		case asJSON:
			text, err := json.Marshal(c.of(from).Addr().Interface())
			if err == nil {
				err = json.Unmarshal(text, c.of(to).Addr().Interface())
			}
			if err != nil {
				return kept, fmt.Errorf("column %q: %w", c.name, err)
			}
		default:
			c.of(to).Set(c.of(from))
		}
	}
	return kept, nil
}

type tableLane[Row any] struct {
	lane
	table *Table[Row]
	sql   *statements
}

// Commit implements [projections.Lane]. A commit whose rows another partition has changed meanwhile is done again.
func (l *tableLane[Row]) Commit(ctx context.Context, next projections.Mark, fn func(*projections.Rows[Row]) error) error {
	if err := l.admit(next); err != nil {
		return err
	}
	for {
		c := newCommit[Row](l.table.columns, l.sql, l.pool)
		rows := projections.NewRows(c.load)
		l.parking = parking{}
		if err := fn(rows); err != nil {
			return handled(l.mine(ctx, err), false)
		}
		b := &pgx.Batch{}
		l.begin(b, next)
		if err := c.write(b, rows.Changes()); err != nil {
			return &projections.DataError{Err: err}
		}
		l.keep(b)
		err := l.pool.SendBatch(ctx, b).Close()
		if conflict(err) && len(l.parking.released) == 0 && ctx.Err() == nil {
			continue
		}
		return l.end(ctx, next, l.mine(ctx, gone(err)))
	}
}

var errNUL = errors.New("PostgreSQL's text holds no NUL: clean the value in the fold, or keep it as bytes")

// checkText refuses what PostgreSQL's text cannot hold.
func checkText(text string) error {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return errNUL
	case !utf8.ValidString(text):
		return errors.New("PostgreSQL's text holds only valid UTF-8: clean the value in the fold, or keep it as bytes")
	}
	return nil
}
