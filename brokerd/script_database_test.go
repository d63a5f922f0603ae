package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/strandlog/strand/internal/pgtest"
)

// TestDatabaseScripts runs the manual in testdata/database. Each script has an empty database of its own, at $DATABASE, and beside the commands of
// TestScripts there are
//
//	sql TEXT    does it in the database
//	query TEXT  writes what it finds there to stdout, a row a line
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
	commands["sql"], commands["query"] = sql, query
	testscript.Run(t, testscript.Params{Dir: "testdata/database", Cmds: commands, Setup: func(env *testscript.Env) error {
		pool := pools[filepath.Base(env.WorkDir)]
		if pool == nil {
			return fmt.Errorf("%s has no database", env.WorkDir)
		}
		env.Values[poolKey{}] = pool
		env.Setenv("DATABASE", pool.Config().ConnString())
		return setUpScript(env)
	}})
}

// poolKey is where a script keeps its database.
type poolKey struct{}

func pool(ts *testscript.TestScript) *pgxpool.Pool { return ts.Value(poolKey{}).(*pgxpool.Pool) }

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
