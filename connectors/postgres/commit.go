package postgres

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// statements are those of one table. They are the same for any number of rows, so that each is prepared once.
type statements struct{ all, load, insert, update, remove, removeBlindly string }

func newStatements(p projections.ID, columns []column) *statements {
	table := quote(Schema(p), TableName)
	var list, listed, arrays, news strings.Builder
	for i, c := range columns {
		name := quote(c.name)
		value := "u." + name
		array := c.typ
		if c.kind == asJSON { // as text it needs no codec for arrays
			value, array = value+"::jsonb", "text"
		}
		fmt.Fprintf(&list, ", %s", name)
		fmt.Fprintf(&listed, ", %s", value)
		fmt.Fprintf(&arrays, ", $%d::%s[]", i+4, array)
		fmt.Fprintf(&news, ", %s = %s", name, value)
	}
	expected := "SELECT strand.expect((SELECT count(*) FROM w), cardinality($1::text[]))"
	all := fmt.Sprintf("SELECT %s, %s%s FROM %s", keyColumn, stampColumn, list.String(), table)
	return &statements{
		all:  all,
		load: fmt.Sprintf("%s WHERE %s = ANY($1)", all, keyColumn),
		// $1 keys, $2 stamps of what was read, $3 the new stamp, then the columns
		insert: fmt.Sprintf(`WITH w AS (INSERT INTO %s (%s, %s%s) SELECT u.key, $3::bigint%s FROM unnest($1::text[], $2::bigint[]%s) AS u (key, _stamp%s) ON CONFLICT (%s) DO NOTHING RETURNING 1) %s`,
			table, keyColumn, stampColumn, list.String(), listed.String(), arrays.String(), list.String(), keyColumn, expected),
		update: fmt.Sprintf(`WITH w AS (UPDATE %s AS t SET %s = $3::bigint%s FROM unnest($1::text[], $2::bigint[]%s) AS u (key, _stamp%s) WHERE t.%s = u.key AND t.%s = u._stamp RETURNING 1) %s`,
			table, stampColumn, news.String(), arrays.String(), list.String(), keyColumn, stampColumn, expected),
		remove: fmt.Sprintf(`WITH w AS (DELETE FROM %s AS t USING unnest($1::text[], $2::bigint[]) AS u (k, s) WHERE t.%s = u.k AND t.%s = u.s RETURNING 1) %s`,
			table, keyColumn, stampColumn, expected),
		removeBlindly: fmt.Sprintf("DELETE FROM %s WHERE %s = ANY($1)", table, keyColumn),
	}
}

// byIndex has the rest of a transaction find rows by their keys. The planner knows neither how large the arrays are nor, of a table that grows fast, how
// large that is: it would read all of it.
const byIndex = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)"

// sender is a pool or a transaction.
type sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// commit reads the rows of one commit and writes those that were changed. It knows which commit wrote each row that it has read, and writes over no other.
type commit[Row any] struct {
	columns []column
	sql     *statements
	from    sender
	stamps  map[string]int64 // of the rows that were looked for; 0: there was none
}

func newCommit[Row any](columns []column, sql *statements, from sender) *commit[Row] {
	return &commit[Row]{columns: columns, sql: sql, from: from, stamps: map[string]int64{}}
}

func (c *commit[Row]) load(ctx context.Context, keys []string, found func(string, Row)) (err error) {
	for _, key := range keys {
		if err := checkText(key); err != nil {
			return &projections.DataError{Err: fmt.Errorf("row %q: %w", key, err)}
		}
		c.stamps[key] = 0
	}
	b := &pgx.Batch{}
	b.Queue(byIndex)
	b.Queue(c.sql.load, keys)
	results := c.from.SendBatch(ctx, b)
	defer func() {
		if closed := results.Close(); err == nil {
			err = closed
		}
		err = classified(gone(err)) // a handler only passes it on
	}()
	if _, err := results.Exec(); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	return scanRows(rows, c.columns, func(key string, stamp int64, row Row) {
		c.stamps[key] = stamp
		found(key, row)
	})
}

// scanRows reads rows with their keys and stamps.
func scanRows[Row any](rows pgx.Rows, columns []column, found func(key string, stamp int64, row Row)) error {
	defer rows.Close()
	into := make([]any, 2+len(columns))
	put := make([]func() error, len(columns))
	for rows.Next() {
		var row Row
		var key string
		var stamp int64
		into[0], into[1] = &key, &stamp
		value := reflect.ValueOf(&row).Elem()
		for i := range columns {
			into[2+i], put[i] = columns[i].scan(value)
		}
		if err := rows.Scan(into...); err != nil {
			return misfit(err)
		}
		for i := range put {
			if err := put[i](); err != nil {
				return misfit(fmt.Errorf("row %q, column %q: %w", key, columns[i].name, err))
			}
		}
		found(key, stamp, row)
	}
	return rows.Err()
}

// write queues what changes: all rows of a kind in one statement.
func (c *commit[Row]) write(b *pgx.Batch, changes iter.Seq2[string, *Row]) error {
	inserted, updated := newRowBatch(c.columns), newRowBatch(c.columns)
	var removed, blindly []string
	var removedStamps []int64
	for key, row := range changes {
		stamp, read := c.stamps[key]
		switch {
		case row == nil && !read:
			blindly = append(blindly, key)
		case row == nil && stamp != 0:
			removed, removedStamps = append(removed, key), append(removedStamps, stamp)
		case row == nil: // there was none
		default:
			if !read { // it was deleted without a look, and made again
				blindly = append(blindly, key)
			}
			to := inserted
			if stamp != 0 {
				to = updated
			}
			if err := to.add(key, stamp, reflect.ValueOf(row).Elem()); err != nil {
				return fmt.Errorf("row %q: %w", key, err)
			}
		}
	}
	if len(inserted.keys)+len(updated.keys)+len(removed)+len(blindly) == 0 {
		return nil
	}
	b.Queue(byIndex)
	stamp := 1 + rand.Int64N(math.MaxInt64-1)
	if len(blindly) > 0 {
		b.Queue(c.sql.removeBlindly, blindly)
	}
	inserted.queue(b, c.sql.insert, stamp)
	updated.queue(b, c.sql.update, stamp)
	if len(removed) > 0 {
		b.Queue(c.sql.remove, removed, removedStamps)
	}
	return nil
}

// rowBatch are rows as arrays of their columns.
type rowBatch struct {
	keys   []string
	stamps []int64
	values []values
}

func newRowBatch(columns []column) *rowBatch {
	r := &rowBatch{values: make([]values, len(columns))}
	for i := range columns {
		r.values[i].column = &columns[i]
	}
	return r
}

func (r *rowBatch) add(key string, stamp int64, row reflect.Value) error {
	for i := range r.values {
		if err := r.values[i].add(row); err != nil {
			return err
		}
	}
	r.keys, r.stamps = append(r.keys, key), append(r.stamps, stamp)
	return nil
}

func (r *rowBatch) queue(b *pgx.Batch, sql string, stamp int64) {
	if len(r.keys) == 0 {
		return
	}
	args := []any{r.keys, r.stamps, stamp}
	for i := range r.values {
		args = append(args, r.values[i].array())
	}
	b.Queue(sql, args...)
}
