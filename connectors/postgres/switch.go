package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// Switch has readers see a version of a projection: the views of schema NAME show its tables from then on, all of them at once. What was granted on them, and what
// others have built on them, stays while a version has the columns of the one before, and may have more behind them. Otherwise a view is made anew, which takes the
// grants away, and is refused while anything is built on it. A version that has no tables, because it was reset and no worker has begun again, is refused.
//
// The version takes over what its handlers do outside of the database, see projections.Replayed, at the place where the live one is. So switch when it has caught
// up, and is not ahead: of what it has passed, and the other not, nobody does that.
func (a *Admin) Switch(ctx context.Context, p projections.ID) error {
	if err := a.known(ctx, p); err != nil {
		return err
	}
	return a.database.insist(ctx, "switching to projection "+p.String(), p, func(tx pgx.Tx) error {
		o, err := own(ctx, tx, p)
		switch {
		case err != nil:
			return err
		case o.topic == nil:
			return &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("version %d has no tables that readers could see: run its workers first, or rebuild it", p.Version)}
		}
		if err := pass(ctx, tx, p); err != nil {
			return err
		}
		return show(ctx, tx, p)
	})
}

// pass has a version take over the effects outside of the database from the live one, where that is. The workers of both claim their partitions anew: they learn
// it by that.
func pass(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	was, err := live(ctx, tx, p, "FOR UPDATE")
	if err != nil || was == p.Version {
		return err
	}
	var same bool // the topic: offsets of another one say nothing
	if err := tx.QueryRow(ctx, `SELECT coalesce(p.topic_id = was.topic_id, false) FROM strand.projections p JOIN strand.projections was ON was.name = p.name AND was.version = $3
		WHERE p.name = $1 AND p.version = $2`, p.Name, p.Version, was).Scan(&same); err != nil {
		return err
	}
	if same { // partitions that are yet to be claimed
		if _, err := tx.Exec(ctx, `INSERT INTO strand.checkpoints (projection, version, partition, epoch, lane)
			SELECT projection, $2, partition, 0, 0 FROM strand.checkpoints WHERE projection = $1 AND version = $3 ON CONFLICT DO NOTHING`, p.Name, p.Version, was); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, "SELECT FROM strand.checkpoints WHERE projection = $1 AND version IN ($2, $3) ORDER BY version, partition FOR NO KEY UPDATE", p.Name, p.Version, was); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE strand.checkpoints c SET lane = lane + 1, new_from = CASE WHEN version = $3 THEN $4
			ELSE coalesce((SELECT greatest(o.next_offset, nullif(o.new_from, $4)) FROM strand.checkpoints o
				WHERE $5 AND o.projection = $1 AND o.version = $3 AND o.partition = c.partition), 0) END
		WHERE projection = $1 AND version IN ($2, $3)`, p.Name, p.Version, was, int64(projections.NeverNew), same)
	return err
}

// Live is the version of a projection that readers see: 0 when there is none yet.
func (a *Admin) Live(ctx context.Context, name string) (version int, err error) {
	err = a.database.pool.QueryRow(ctx, "SELECT version FROM strand.live WHERE name = $1", name).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return version, classified(err)
}

// showFirst shows a version if none is shown, or this one is.
func showFirst(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	for _, lock := range []string{"", "FOR UPDATE"} { // whoever is not the live version does not wait, and whoever is cannot be replaced meanwhile
		if version, err := live(ctx, tx, p, lock); err != nil || version != p.Version {
			return err
		}
	}
	return show(ctx, tx, p)
}

// live is the live version of a projection, which this one becomes if there is none. lock is how its row is to be locked.
func live(ctx context.Context, tx pgx.Tx, p projections.ID, lock string) (version int, err error) {
	if _, err := tx.Exec(ctx, "INSERT INTO strand.live (name, version) VALUES ($1, $2) ON CONFLICT DO NOTHING", p.Name, p.Version); err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, "SELECT version FROM strand.live WHERE name = $1 "+lock, p.Name).Scan(&version)
	return version, err
}

// show makes the views of a version's tables.
func show(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	// One version after the other, also where the schema is not there yet.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "strand views "+p.Name); err != nil {
		return err
	}
	views := quote(Views(p.Name))
	if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+views); err != nil {
		return err
	}
	old, err := shown(ctx, tx, Views(p.Name))
	if err != nil {
		return err
	}
	tables, err := names(ctx, tx, Schema(p), "r", "p", "v", "m")
	if err != nil {
		return err
	}
	for _, view := range old {
		if slices.Contains(tables, view) {
			continue
		}
		if _, err := tx.Exec(ctx, "DROP VIEW "+views+"."+quote(view)); err != nil {
			return err
		}
	}
	for _, table := range tables {
		if err := showTable(ctx, tx, views+"."+quote(table), "SELECT * FROM "+quote(Schema(p), table), slices.Contains(old, table)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "COMMENT ON VIEW "+views+"."+quote(table)+" IS '"+viewComment+"'"); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO strand.live (name, version) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET version = excluded.version, switched = now()", p.Name, p.Version)
	return err
}

// showTable makes a view, or has it show something else.
func showTable(ctx context.Context, tx pgx.Tx, view, query string, there bool) error {
	if !there {
		_, err := tx.Exec(ctx, "CREATE VIEW "+view+" AS "+query)
		return err
	}
	err := replaceView(ctx, tx, view, query)
	if !answered(err, codeOtherColumns) {
		return err
	}
	options, err := optionsOf(ctx, tx, view)
	if err != nil {
		return err
	}
	var owner string
	var own bool
	if err := tx.QueryRow(ctx, "SELECT quote_ident(r.rolname), r.rolname = current_user FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = to_regclass($1)", view).Scan(&owner, &own); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DROP VIEW "+view+"; CREATE VIEW "+view+options+" AS "+query); err != nil || own {
		return err
	}
	_, err = tx.Exec(ctx, "ALTER VIEW "+view+" OWNER TO "+owner) // its workers replace it as well
	return err
}

// replaceView has a view show something else, in the same columns. It keeps what is granted on it, what is built on it, and its options.
func replaceView(ctx context.Context, tx pgx.Tx, view, query string) error {
	return pgx.BeginFunc(ctx, tx, func(try pgx.Tx) error {
		options, err := optionsOf(ctx, try, view)
		if err != nil {
			return err
		}
		_, err = try.Exec(ctx, "CREATE OR REPLACE VIEW "+view+options+" AS "+query)
		return err
	})
}

// optionsOf are those of a view, as they are written behind its name. A view that shows no rows cannot check what is written through it.
func optionsOf(ctx context.Context, tx pgx.Tx, view string) (options string, err error) {
	err = tx.QueryRow(ctx, "SELECT coalesce(' WITH (' || string_agg(o, ', ') || ')', '') FROM pg_class, unnest(reloptions) AS o WHERE oid = to_regclass($1) AND o NOT LIKE 'check_option=%'", view).Scan(&options)
	return options, err
}

const (
	codeOtherColumns = "42P16" // a view is to show other columns
	codeNotPermitted = "42501"
)

// hollow has the views that show a version show no rows, so that they, and what others have built on them, outlive its tables. Those of somebody else go with them.
func hollow(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	rows, err := tx.Query(ctx, `SELECT c.relname, coalesce(string_agg('NULL::' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation = 0 THEN '' ELSE ' COLLATE ' || a.attcollation::regcollation END || ' AS ' || quote_ident(a.attname), ', ' ORDER BY a.attnum), '')
		FROM strand.live AS l JOIN pg_class AS c ON c.relnamespace = to_regnamespace(quote_ident($3)) AND c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = $4
		LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE l.name = $1 AND l.version = $2 GROUP BY c.relname`, p.Name, p.Version, Views(p.Name), viewComment)
	if err != nil {
		return err
	}
	queries := map[string]string{}
	var name, columns string
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		queries[quote(Views(p.Name), name)] = "SELECT " + columns + " WHERE false"
		return nil
	}); err != nil {
		return err
	}
	for _, view := range slices.Sorted(maps.Keys(queries)) {
		if err := replaceView(ctx, tx, view, queries[view]); err != nil && !answered(err, codeNotPermitted) {
			return err
		}
	}
	return nil
}

// viewComment tells the views that show a version from those of somebody else in the same schema.
const viewComment = "strand: shows the live version of a projection"

// shown lists the views of a schema that show a version.
func shown(ctx context.Context, tx pgx.Tx, schema string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT relname FROM pg_class
		WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind = 'v' AND obj_description(oid, 'pg_class') = $2 ORDER BY relname`, schema, viewComment)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// names lists the relations of some kinds in a schema.
func names(ctx context.Context, tx pgx.Tx, schema string, kinds ...string) ([]string, error) {
	rows, err := tx.Query(ctx, "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind::text = ANY($2) ORDER BY relname", schema, kinds)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
