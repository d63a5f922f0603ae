package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MajorMin is the oldest major version of PostgreSQL that this package works with.
const MajorMin = 13

// Server is how a PostgreSQL server is, for those who look after it.
type Server struct {
	Version        string // as it tells it
	Major          int
	Connections    int // that there are, of whomever
	ConnectionsMax int // that roles which are no superusers may have
}

// Inspect looks at a server.
func Inspect(ctx context.Context, pool *pgxpool.Pool) (s Server, err error) {
	err = pool.QueryRow(ctx, `
		SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000,
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
			current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true), '0')::int`).
		Scan(&s.Version, &s.Major, &s.Connections, &s.ConnectionsMax)
	return s, classified(err)
}

// IdleTransaction is one of a worker that does nothing in it, and holds the checkpoint of its partition.
type IdleTransaction struct {
	PID   int
	Owner string        // projection, version and partition, as pg_stat_activity shows it: strand balances v2 p3
	Idle  time.Duration // since its last statement
}

// IdleTransactions lists those of a database that are idle for longer than a time, the longest first. Those of other roles are seen only by members of
// pg_read_all_stats.
func IdleTransactions(ctx context.Context, pool *pgxpool.Pool, longer time.Duration) ([]IdleTransaction, error) {
	rows, err := pool.Query(ctx, `
		SELECT pid, application_name, (extract(epoch FROM clock_timestamp() - state_change) * 1000)::bigint FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'strand %' AND state LIKE 'idle in transaction%'
			AND state_change < clock_timestamp() - $1 * interval '1 millisecond'
		ORDER BY state_change`, longer.Milliseconds())
	if err != nil {
		return nil, classified(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t IdleTransaction, err error) {
		var ms int64
		err = row.Scan(&t.PID, &t.Owner, &ms)
		t.Idle = time.Duration(ms) * time.Millisecond
		return t, err
	})
	return all, classified(err)
}
