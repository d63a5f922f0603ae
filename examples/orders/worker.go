package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// work is the whole of a worker process: it runs both projections until it is stopped. All that do so share the partitions.
func work(ctx context.Context, broker, database string) error {
	client, err := commitlog.Dial(ctx, broker)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	store, err := eventstore.Open(ctx, client, eventstore.Config{}, orderType)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, database)
	if err != nil {
		return err
	}
	defer pool.Close()
	ctx, stop := context.WithCancel(ctx) // none of the two goes on without the other
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // it ends when the program has, which started this one
		stop()
	}()
	var running sync.WaitGroup
	var err1, err2 error
	running.Go(func() {
		defer stop()
		err1 = projections.Run(ctx, store, orders, postgres.NewTable[row](pool))
	})
	running.Go(func() {
		defer stop()
		err2 = projections.Run(ctx, store, revenue, postgres.NewSink(pool), projections.OnError(projections.Park, 1))
	})
	running.Wait()
	return errors.Join(err1, err2)
}

// startWorker runs this program again, as a worker. It ends with ctx, as by kill -9.
func startWorker(ctx context.Context, broker, database string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	worker := exec.CommandContext(ctx, program, "worker", broker, database)
	worker.Stderr = os.Stderr
	if _, err := worker.StdinPipe(); err != nil {
		return nil, err
	}
	return worker, worker.Start()
}
