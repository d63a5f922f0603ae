package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/projections"
)

// TestDatabaseScripts runs the manual in testdata/database. Each script has an empty database of its own, at $DATABASE, and beside the commands of
// TestScripts there are
//
//	work NAME URL TOPIC VERSION LIMIT  starts a worker of the projection balances over the accounts of a story, which refuses withdrawals above a limit
//	rest NAME                          stops it
//	sql TEXT                           does it in the database
//	query TEXT                         writes what it finds there to stdout, a row a line
func TestDatabaseScripts(t *testing.T) {
	server := pgtest.Start(t)
	scripts, err := filepath.Glob("testdata/database/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	pools := map[string]*pgxpool.Pool{}
	for _, script := range scripts {
		pools["script-"+strings.TrimSuffix(filepath.Base(script), ".txtar")] = server.Pool(t)
	}
	commands := scriptCommands()
	commands["work"], commands["rest"], commands["sql"], commands["query"] = work, rest, sql, query
	testscript.Run(t, testscript.Params{Dir: "testdata/database", Cmds: commands, Setup: func(env *testscript.Env) error {
		pool := pools[filepath.Base(env.WorkDir)]
		if pool == nil {
			return fmt.Errorf("%s has no database", env.WorkDir)
		}
		env.Values[poolKey{}], env.Values[workersKey{}] = pool, map[string]func() error{}
		env.Setenv("DATABASE", pool.Config().ConnString())
		return setUpScript(env)
	}})
}

// Where a script keeps its database, and what stops its workers, by name.
type (
	poolKey    struct{}
	workersKey struct{}
)

func pool(ts *testscript.TestScript) *pgxpool.Pool { return ts.Value(poolKey{}).(*pgxpool.Pool) }

func workers(ts *testscript.TestScript) map[string]func() error {
	return ts.Value(workersKey{}).(map[string]func() error)
}

type balance struct{ Amount int }

// balances makes the projection. An account that withdraws more than the limit in one go is refused.
func balances(version, limit int) *projections.Projection[*projections.Rows[balance]] {
	return projections.Define("balances",
		projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[deposited]) error {
			row, err := rows.Row(ctx, string(e.Stream))
			if err == nil {
				row.Amount += e.Data.Amount
			}
			return err
		}),
		projections.On(func(ctx context.Context, rows *projections.Rows[balance], e eventstore.Recorded[withdrawn]) error {
			if e.Data.Amount > limit {
				return fmt.Errorf("%d is more than anybody may withdraw", e.Data.Amount)
			}
			row, err := rows.Row(ctx, string(e.Stream))
			if err == nil {
				row.Amount -= e.Data.Amount
			}
			return err
		})).Version(version)
}

func work(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: work NAME URL TOPIC VERSION LIMIT")
	}
	version, err := strconv.Atoi(args[3])
	ts.Check(err)
	limit, err := strconv.Atoi(args[4])
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	client, err := commitlog.Dial(ctx, args[1])
	if err != nil {
		cancel()
		ts.Fatalf("dialling: %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		store, err := openStory(ctx, client, eventstore.Config{Topic: args[2]})
		if err == nil {
			err = projections.Run(ctx, store, balances(version, limit), postgres.NewTable[balance](pool(ts)), projections.OnError(projections.Park, 1))
		}
		ended <- err
	}()
	stopped := false
	stop := func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-ended
		_ = client.Close() // nothing was sent
		return err
	}
	ts.Defer(func() { _ = stop() })
	workers(ts)[args[0]] = stop
}

func rest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || workers(ts)[args[0]] == nil {
		ts.Fatalf("usage: rest NAME, of a worker that was started")
	}
	ts.Check(workers(ts)[args[0]]())
}

func sql(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql TEXT")
	}
	_, err := pool(ts).Exec(context.Background(), args[0])
	ts.Check(err)
}

func query(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: query TEXT")
	}
	rows, err := pool(ts).Query(context.Background(), args[0])
	ts.Check(err)
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		ts.Check(err)
		_, err = fmt.Fprintln(ts.Stdout(), values...)
		ts.Check(err)
	}
	ts.Check(rows.Err())
}
