package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/bench/workload"
)

// postgresPeer is an events table as it is commonly laid out. Appends do without an index by position, in its favour.
type postgresPeer struct {
	cluster *cluster
	history *postgresHistory
	pools   []*pgxpool.Pool
}

func newPostgres(ctx context.Context, dir string) (*peer, error) {
	c, err := startCluster(ctx, dir)
	if err != nil {
		return nil, err
	}
	p := &postgresPeer{cluster: c}
	probers := p.appendProbers()
	maps.Copy(probers, p.readProbers())
	return &peer{probers: probers, close: p.close}, nil
}

func (p *postgresPeer) close() error {
	for _, pool := range p.pools {
		pool.Close()
	}
	return p.cluster.close()
}

func (p *postgresPeer) pool(ctx context.Context, connections int) (*pgxpool.Pool, error) {
	pool, err := p.cluster.pool(ctx, connections)
	if err == nil {
		p.pools = append(p.pools, pool)
	}
	return pool, err
}

// appendProbers insert one event a transaction. The unique constraint is what refuses a wrong version.
func (p *postgresPeer) appendProbers() map[string]workload.Prober {
	random := workload.NewRandom()
	probers := map[string]workload.Prober{}
	for _, writers := range []int{1, 64, 512} {
		table := fmt.Sprintf("events_%d", writers)
		insert := "insert into " + table + " (stream, version, data) values ($1, $2, $3)"
		var pool *pgxpool.Pool
		var versions []int64
		connections := 1
		step := func(ctx context.Context, worker, i int) error {
			stream := workload.Own(worker, i, writers, len(versions))
			_, err := pool.Exec(ctx, insert, workload.Stream(stream), versions[stream]+1, random.Payload(i*writers+worker))
			versions[stream]++
			return err
		}
		prepare := func(ctx context.Context, task workload.Task) error {
			conn, err := pgx.Connect(ctx, p.cluster.url())
			if err != nil {
				return err
			}
			_, err = conn.Exec(ctx, "create table "+table+` (position bigint generated always as identity, stream text not null, version bigint not null,
				data bytea not null, unique (stream, version))`)
			if err := errors.Join(err, conn.Close(ctx)); err != nil {
				return err
			}
			versions = make([]int64, task.Scale.Streams)
			best := 0.0
			for _, candidate := range []int{1, 8, 16, 32, 64, 128} {
				if candidate > writers {
					break
				}
				tried, err := p.pool(ctx, candidate)
				if err != nil {
					return err
				}
				previous := pool
				pool = tried // which is what step uses
				done, err := workload.Loop(ctx, writers, min(task.For/3, 500*time.Millisecond), step)
				if err != nil {
					return err
				}
				if rate := done.PerSecond(); rate > best {
					best, connections = rate, candidate
				} else {
					pool = previous
				}
			}
			return nil
		}
		probers[fmt.Sprintf("append/cond/%dw", writers)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if versions == nil {
				if err := prepare(ctx, task); err != nil {
					return workload.Result{}, err
				}
			}
			done, err := workload.Loop(ctx, writers, task.For, step)
			return workload.Result{
				Values: []float64{done.PerSecond()},
				Note:   fmt.Sprintf("fsync unix socket 256B; unique(stream, version), 1 event a transaction, %d connections; %s", connections, done.Quantiles()),
			}, err
		}
	}
	return probers
}

// postgresHistory is the scattered data set.
type postgresHistory struct {
	pool    *pgxpool.Pool
	scatter workload.Scatter
}

func (p *postgresPeer) past(ctx context.Context, scale workload.Scale) (*postgresHistory, error) {
	if p.history != nil {
		return p.history, nil
	}
	pool, err := p.pool(ctx, 1)
	if err != nil {
		return nil, err
	}
	h := &postgresHistory{pool: pool, scatter: workload.NewScatter(scale.Events)}
	if _, err := pool.Exec(ctx, `create table events (position bigint generated always as identity primary key, stream text not null,
		version bigint not null, data bytea not null, unique (stream, version))`); err != nil {
		return nil, err
	}
	random := workload.NewRandom()
	rows := make(chan []any)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(rows)
		versions := make([]int64, h.scatter.Streams)
		i := 0
		for stream := range h.scatter.All {
			i++
			versions[stream]++
			data, _ := json.Marshal(random.Noted(i)) // a number and a string: it cannot fail
			select {
			case rows <- []any{workload.Stream(stream), versions[stream], data}:
			case <-stop:
				return
			}
		}
	}()
	source := pgx.CopyFromFunc(func() ([]any, error) { return <-rows, nil }) // nothing, once rows is closed, is the end
	if _, err := pool.CopyFrom(ctx, pgx.Identifier{"events"}, []string{"stream", "version", "data"}, source); err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, "vacuum analyze events"); err != nil {
		return nil, err
	}
	p.history = h
	return h, nil
}

func (p *postgresPeer) readProbers() map[string]workload.Prober {
	probers := map[string]workload.Prober{
		"replay/raw": func(ctx context.Context, task workload.Task) (workload.Result, error) {
			h, err := p.past(ctx, task.Scale)
			if err != nil {
				return workload.Result{}, err
			}
			began := time.Now()
			count, err := h.read(ctx, "select position, stream, version, data from events order by position")
			if err == nil && count != h.scatter.Events {
				err = fmt.Errorf("%d events where there are %d", count, h.scatter.Events)
			}
			return workload.Result{
				Values: []float64{float64(count) / time.Since(began).Seconds()},
				Note:   fmt.Sprintf("unix socket 256B; %d events; one query by position", count),
			}, err
		},
	}
	for _, events := range []int{10, 100, 1000} {
		next := 0
		probers[fmt.Sprintf("load/%d", events)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			h, err := p.past(ctx, task.Scale)
			if err != nil {
				return workload.Result{}, err
			}
			streams := h.scatter.ByLength[events]
			done, err := workload.Loop(ctx, 1, task.For, func(ctx context.Context, _, _ int) error {
				stream := streams[next%len(streams)]
				next++
				count, err := h.read(ctx, "select position, stream, version, data from events where stream = $1 order by version", workload.Stream(stream))
				if err == nil && count != events {
					err = fmt.Errorf("stream %d has %d events where there are %d", stream, count, events)
				}
				return err
			})
			return workload.Result{Values: []float64{done.Microseconds()}, Note: "unix socket 256B; index on (stream, version); " + done.Quantiles()}, err
		}
	}
	return probers
}

// read reads rows without making anything of them: their bytes stay where they came.
func (h *postgresHistory) read(ctx context.Context, query string, args ...any) (int, error) {
	rows, err := h.pool.Query(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		if len(rows.RawValues()[3]) > 0 {
			count++
		}
	}
	return count, rows.Err()
}
