package postgres_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
	"github.com/strandlog/strand/projections/projectionstest"
)

func TestMain(m *testing.M) {
	if given := os.Getenv(workerEnv); given != "" {
		os.Exit(runWorker(given))
	}
	os.Exit(brokertest.Main(m, func(m *testing.M) int {
		pgtest.Main(m, func() error { return goleak.Find() }) // it exits
		return 0
	}))
}

// open gives a database with schema strand.
func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := pgtest.Pool(t)
	if _, err := migrations.Migrate(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return pool
}

func counters(ctx context.Context, pool *pgxpool.Pool, table, value string) (map[string]int64, error) {
	all := map[string]int64{}
	var there bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there); err != nil || !there {
		return all, err
	}
	rows, err := pool.Query(ctx, "SELECT key, "+value+" FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var n int64
		if err := rows.Scan(&key, &n); err != nil {
			return nil, err
		}
		all[key] = n
	}
	return all, rows.Err()
}

// TestSinkIsASink holds the sink of transactions to the law.
func TestSinkIsASink(t *testing.T) {
	projectionstest.Run(t, func(t *testing.T) projectionstest.Harness[pgx.Tx] {
		pool := open(t)
		return projectionstest.Harness[pgx.Tx]{
			Sink:  postgres.NewSink(pool),
			Admin: postgres.NewAdmin(pool),
			Add: func(ctx context.Context, tx pgx.Tx, key string, n int64) error {
				// Without Setup there is no schema of the version, and after a reset there is none: the suite makes its table as it goes.
				if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(1)`); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `DO $$ BEGIN CREATE SCHEMA IF NOT EXISTS counters_v3; COMMENT ON SCHEMA counters_v3 IS 'strand: holds what a version of a projection writes'; EXCEPTION WHEN unique_violation THEN NULL; END $$; CREATE TABLE IF NOT EXISTS counters_v3.counters (key text PRIMARY KEY, n bigint NOT NULL)`); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, `INSERT INTO counters_v3.counters AS c VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET n = c.n + excluded.n`, key, n)
				return err
			},
			Counters: func(ctx context.Context) (map[string]int64, error) {
				return counters(ctx, pool, "counters_v3.counters", "n")
			},
		}
	})
}

type counter struct{ N int64 }

// TestTableIsASink holds the table to the law.
func TestTableIsASink(t *testing.T) { tableIsASink(t, open) }

// TestTableIsASinkBehindAPooler prepares no statements, as poolers of connections may require.
func TestTableIsASinkBehindAPooler(t *testing.T) {
	tableIsASink(t, func(t *testing.T) *pgxpool.Pool {
		t.Helper()
		cfg := open(t).Config()
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	})
}

func tableIsASink(t *testing.T, open func(*testing.T) *pgxpool.Pool) {
	t.Helper()
	projectionstest.Run(t, func(t *testing.T) projectionstest.Harness[*projections.Rows[counter]] {
		pool := open(t)
		return projectionstest.Harness[*projections.Rows[counter]]{
			Sink:  postgres.NewTable[counter](pool),
			Admin: postgres.NewAdmin(pool),
			Add: func(ctx context.Context, rows *projections.Rows[counter], key string, n int64) error {
				row, err := rows.Row(ctx, key)
				if err == nil {
					row.N += n
				}
				return err
			},
			Counters: func(ctx context.Context) (map[string]int64, error) {
				return counters(ctx, pool, "counters_v3.rows", "n")
			},
		}
	})
}
