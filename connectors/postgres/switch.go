package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// Switch has readers see a version of a projection: the views of schema NAME show its tables from then on, all of them at once. They lose whatever was
// granted on the views of before. A version that has no tables, because it was reset and no worker has begun again, is refused.
func (a *Admin) Switch(ctx context.Context, p projections.ID) error {
	if err := a.known(ctx, p); err != nil {
		return err
	}
	return a.database.within(ctx, p, func(tx pgx.Tx) error {
		o, err := own(ctx, tx, p)
		switch {
		case err != nil:
			return err
		case !o.setUp:
			return &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("version %d has no tables that readers could see: run its workers first, or rebuild it", p.Version)}
		}
		return show(ctx, tx, p)
	})
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
	var live int
	err := tx.QueryRow(ctx, "SELECT version FROM strand.live WHERE name = $1", p.Name).Scan(&live)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && live == p.Version {
		return show(ctx, tx, p)
	}
	return err
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
	for _, view := range old {
		if _, err := tx.Exec(ctx, "DROP VIEW IF EXISTS "+views+"."+quote(view)); err != nil {
			return err
		}
	}
	tables, err := names(ctx, tx, Schema(p), "r", "p", "v", "m")
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := tx.Exec(ctx, "CREATE VIEW "+views+"."+quote(table)+" AS SELECT * FROM "+quote(Schema(p), table)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "COMMENT ON VIEW "+views+"."+quote(table)+" IS '"+viewComment+"'"); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO strand.live (name, version) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET version = excluded.version, switched = now()", p.Name, p.Version)
	return err
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
