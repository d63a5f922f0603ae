package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	tabletopic "github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// workersKey is where a script keeps what stops its workers, by name.
type workersKey struct{}

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

// work keeps the rows in the script's database, if it has one, else in the log.
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
	var sink projections.Sink[*projections.Rows[balance]] = tabletopic.New[balance](client)
	if database, ok := ts.Value(poolKey{}).(*pgxpool.Pool); ok {
		sink = postgres.NewTable[balance](database)
	}
	ended := make(chan error, 1)
	go func() {
		store, err := openStory(ctx, client, eventstore.Config{Topic: args[2]})
		if err == nil {
			err = projections.Run(ctx, store, balances(version, limit), sink, projections.OnError(projections.Park, 1))
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
