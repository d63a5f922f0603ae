package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// readModel is a PostgreSQL that is durable, and a topic whose events are projected into it.
type readModel struct {
	node    *node
	server  *pgtest.Server
	pool    *pgxpool.Pool
	store   *eventstore.Store
	version int // of the newest projection
}

// durable is PostgreSQL as it is installed, with room for what is in use.
var durable = []string{"fsync = on", "full_page_writes = on", "shared_buffers = '512MB'", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'", "jit = off"}

const (
	projectedPartitions = 8
	projectedEvents     = 400_000
	projectedStreams    = 200_000
	projectedWriters    = 256
)

// projected starts both when they are first asked for, and appends the events.
func (s *strand) projected(ctx context.Context, scale workload.Scale) (*readModel, error) {
	if s.model != nil {
		return s.model, nil
	}
	n, err := s.appender(ctx)
	if err != nil {
		return nil, err
	}
	server, err := pgtest.Create(ctx, durable...)
	if err != nil {
		return nil, err
	}
	m := &readModel{node: n, server: server}
	s.model = m // closed with s, whatever becomes of it
	cfg, err := pgxpool.ParseConfig(server.URL("postgres"))
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = projectedPartitions + 2
	if m.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	if _, err := migrations.Migrate(ctx, m.pool); err != nil {
		return nil, err
	}
	if m.store, err = eventstore.Open(ctx, n.client, eventstore.Config{Topic: "projected", Partitions: projectedPartitions}, accounts); err != nil {
		return nil, err
	}
	return m, m.fill(ctx, s.random, min(projectedEvents, scale.Events))
}

func (m *readModel) fill(ctx context.Context, random *workload.Random, events int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writers sync.WaitGroup
	for w := range projectedWriters {
		writers.Go(func() {
			for i := w; i < events; i += projectedWriters {
				if _, err := m.store.Append(ctx, workload.Stream(i*7919%projectedStreams), eventstore.Any, noted(random.Noted(i))); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	writers.Wait()
	return context.Cause(ctx)
}

func (m *readModel) close() error {
	if m.pool != nil {
		m.pool.Close()
	}
	return m.server.Remove()
}

// seen is a row of the read model: of each event something gets into it.
type seen struct {
	Events, Last int64
	Note         string
}

func see(row *seen, e eventstore.Recorded[noted]) {
	row.Events++
	row.Last, row.Note = int64(e.Data.N), e.Data.Text[:min(len(e.Data.Text), 40)]
}

func projectRows() []row {
	return []row{
		{
			name: "project/pg/bulk", slow: true,
			what:    "events folded into rows of PostgreSQL, exactly once; a row an event, 200k rows, 8 partitions, one process",
			columns: []column{{unit: "rows/s", targets: []target{{limit: 50_000}}}},
			probe: func(s *strand) workload.Prober {
				return func(ctx context.Context, task workload.Task) (workload.Result, error) {
					return s.catchUp(ctx, task, "checkpoint and rows in one transaction, commits do not wait for the disk", func(m *readModel) (projections.ID, func(context.Context) error) {
						p := projections.Define("bulk", projections.Fold(see)).Version(m.version)
						return p.ID(), func(ctx context.Context) error {
							return projections.CatchUp(ctx, m.store, p, postgres.NewTable[seen](m.pool))
						}
					})
				}
			},
		},
		{
			name: "project/pg/handlers", slow: true,
			what:    "the same by handlers with SQL of their own: one upsert an event",
			columns: []column{{unit: "events/s", targets: []target{{limit: 8_000}}}},
			probe: func(s *strand) workload.Prober {
				return func(ctx context.Context, task workload.Task) (workload.Result, error) {
					return s.catchUp(ctx, task, "one statement an event", func(m *readModel) (projections.ID, func(context.Context) error) {
						p := projections.Define("handlers", projections.On(upsert)).Version(m.version).Setup(func(ctx context.Context, tx pgx.Tx) error {
							_, err := tx.Exec(ctx, "CREATE TABLE seen (key text PRIMARY KEY, events bigint NOT NULL, last bigint NOT NULL)")
							return err
						})
						return p.ID(), func(ctx context.Context) error {
							return projections.CatchUp(ctx, m.store, p, postgres.NewSink(m.pool))
						}
					})
				}
			},
		},
		{
			name: "latency/append-projected", slow: true,
			what:    "append to visible in PostgreSQL, 500 events a second, each awaited",
			columns: []column{{suffix: "/p50", unit: "ms", less: true, targets: []target{{limit: 5, atMost: true}}}, {suffix: "/p99", unit: "ms", less: true, targets: []target{{limit: 30, atMost: true}}}},
			probe:   func(s *strand) workload.Prober { return s.appendProjected },
		},
	}
}

func upsert(ctx context.Context, tx pgx.Tx, e eventstore.Recorded[noted]) error {
	_, err := tx.Exec(ctx, "INSERT INTO seen AS s VALUES ($1, 1, $2) ON CONFLICT (key) DO UPDATE SET events = s.events + 1, last = excluded.last", e.Stream.Key(), e.Data.N)
	return err
}

// catchUp projects into a new read model for as long as the task allows, and counts what was committed.
func (s *strand) catchUp(ctx context.Context, task workload.Task, note string, with func(*readModel) (projections.ID, func(context.Context) error)) (workload.Result, error) {
	m, err := s.projected(ctx, task.Scale)
	if err != nil {
		return workload.Result{}, err
	}
	m.version++
	id, project := with(m)
	limited, cancel := context.WithTimeout(ctx, lasting(task.For))
	defer cancel()
	began := time.Now()
	err = m.node.profiled(s.profiles, profileName(task.Bench), func() error { return project(limited) })
	took := time.Since(began)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return workload.Result{}, err
	}
	var events int64
	if err := m.pool.QueryRow(ctx, "SELECT coalesce(sum(next_offset), 0)::bigint FROM strand.checkpoints WHERE projection = $1 AND version = $2", id.Name, id.Version).Scan(&events); err != nil {
		return workload.Result{}, err
	}
	return workload.Result{Values: []float64{float64(events) / took.Seconds()}, Note: fmt.Sprintf("R1 tcp, PostgreSQL on a socket; %d events; %s", events, note)}, nil
}

// lasting is how long a run takes: a whole one longer than those of other rows, because workers have to join their group first.
func lasting(share time.Duration) time.Duration {
	if share < time.Second {
		return share
	}
	return 5 * time.Second
}

// appendsPerSecond is the pace of latency/append-projected.
const appendsPerSecond = 500

func (s *strand) appendProjected(ctx context.Context, task workload.Task) (workload.Result, error) {
	m, err := s.projected(ctx, task.Scale)
	if err != nil {
		return workload.Result{}, err
	}
	m.version++
	store, err := eventstore.Open(ctx, m.node.client, eventstore.Config{Topic: fmt.Sprintf("latency-%d", m.version), Partitions: projectedPartitions}, accounts)
	if err != nil {
		return workload.Result{}, err
	}
	p := projections.Define("latency", projections.Fold(see)).Version(m.version)
	sink := postgres.NewTable[seen](m.pool)
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- projections.Run(running, store, p, sink) }()
	if err := m.awaited(ctx, store, p, sink, s.random.Noted(0)); err != nil { // it has begun
		return workload.Result{}, errors.Join(err, ctx.Err())
	}

	var mu sync.Mutex
	var took []float64
	var failed error
	var group sync.WaitGroup
	pace := time.NewTicker(time.Second / appendsPerSecond)
	defer pace.Stop()
	for i, until := 1, time.Now().Add(lasting(task.For)); i == 1 || time.Now().Before(until); i++ {
		<-pace.C
		group.Go(func() {
			began := time.Now()
			err := m.awaited(ctx, store, p, sink, s.random.Noted(i))
			ms := float64(time.Since(began).Microseconds()) / 1e3
			mu.Lock()
			defer mu.Unlock()
			took, failed = append(took, ms), errors.Join(failed, err)
		})
	}
	group.Wait()
	stop()
	if err := errors.Join(failed, <-ended); err != nil {
		return workload.Result{}, err
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(q*float64(len(took)-1))] }
	return workload.Result{
		Values: []float64{at(0.5), at(0.99)},
		Note:   fmt.Sprintf("R1 fsync tcp 256B, PostgreSQL on a socket; %d appends, max %.1f ms; awaited by the sink of the worker", len(took), at(1)),
	}, nil
}

// awaited appends an event and returns when it is in the read model.
func (m *readModel) awaited(ctx context.Context, store *eventstore.Store, p *projections.Projection[*projections.Rows[seen]], sink *postgres.Table[seen], n workload.Noted) error {
	appended, err := store.Append(ctx, workload.Stream(n.N%projectedStreams), eventstore.Any, noted(n))
	if err != nil {
		return err
	}
	return projections.Await(ctx, p, sink, appended.Position)
}
