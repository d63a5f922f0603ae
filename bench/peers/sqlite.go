package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/strandlog/strand/bench/workload"

	_ "modernc.org/sqlite" // registers the driver
)

// sqlitePeer is the events table of an embedded store: no network, no other process, one writer at a time.
type sqlitePeer struct {
	dir     string
	opened  []*sql.DB
	history *sqliteHistory
}

func newSQLite(_ context.Context, dir string) (*peer, error) {
	p := &sqlitePeer{dir: dir}
	probers := p.loadProbers()
	random := workload.NewRandom()
	for _, writers := range []int{1, 64, 512} {
		var insert *sql.Stmt
		var versions []int64
		probers[fmt.Sprintf("append/cond/%dw", writers)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if insert == nil {
				db, err := p.open(ctx, fmt.Sprintf("append-%d", writers))
				if err != nil {
					return workload.Result{}, err
				}
				if insert, err = db.PrepareContext(ctx, "insert into events (stream, version, data) values (?, ?, ?)"); err != nil {
					return workload.Result{}, err
				}
				versions = make([]int64, task.Scale.Streams)
			}
			done, err := workload.Loop(ctx, writers, task.For, func(ctx context.Context, worker, i int) error {
				stream := workload.Own(worker, i, writers, len(versions))
				versions[stream]++
				_, err := insert.ExecContext(ctx, workload.Stream(stream), versions[stream], random.Payload(i*writers+worker))
				return err
			})
			return workload.Result{
				Values: []float64{done.PerSecond()},
				Note:   "fsync embedded 256B; WAL, synchronous=FULL, unique(stream, version), 1 event a transaction, 1 connection; " + done.Quantiles(),
			}, err
		}
	}
	return &peer{probers: probers, close: p.close}, os.MkdirAll(dir, 0o755)
}

// open opens a database with one connection: SQLite has one writer, and more only wait for its lock.
func (p *sqlitePeer) open(ctx context.Context, name string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.dir, name)+".db?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=cache_size(-262144)")
	if err != nil {
		return nil, err
	}
	p.opened = append(p.opened, db)
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "create table events (position integer primary key, stream text not null, version integer not null, data blob not null, unique (stream, version))")
	return db, err
}

func (p *sqlitePeer) close() error {
	var errs []error
	for _, db := range p.opened {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// sqliteHistory is the scattered data set.
type sqliteHistory struct {
	query   *sql.Stmt
	scatter workload.Scatter
}

func (p *sqlitePeer) past(ctx context.Context, scale workload.Scale) (*sqliteHistory, error) {
	if p.history != nil {
		return p.history, nil
	}
	db, err := p.open(ctx, "history")
	if err != nil {
		return nil, err
	}
	h := &sqliteHistory{scatter: workload.NewScatter(scale.Events)}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	insert, err := tx.PrepareContext(ctx, "insert into events (stream, version, data) values (?, ?, ?)")
	if err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	random, versions, i := workload.NewRandom(), make([]int64, h.scatter.Streams), 0
	for stream := range h.scatter.All {
		i++
		versions[stream]++
		data, _ := json.Marshal(random.Noted(i)) // a number and a string: it cannot fail
		if _, err := insert.ExecContext(ctx, workload.Stream(stream), versions[stream], data); err != nil {
			return nil, errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, err
	}
	if h.query, err = db.PrepareContext(ctx, "select position, version, data from events where stream = ? order by version"); err != nil {
		return nil, err
	}
	p.history = h
	return h, nil
}

func (p *sqlitePeer) loadProbers() map[string]workload.Prober {
	probers := map[string]workload.Prober{}
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
				return h.load(ctx, workload.Stream(stream), events)
			})
			return workload.Result{Values: []float64{done.Microseconds()}, Note: "embedded 256B; index on (stream, version); " + done.Quantiles()}, err
		}
	}
	return probers
}

func (h *sqliteHistory) load(ctx context.Context, stream string, events int) (err error) {
	rows, err := h.query.QueryContext(ctx, stream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	count := 0
	for rows.Next() {
		var position, version int64
		var data sql.RawBytes
		if err := rows.Scan(&position, &version, &data); err != nil {
			return err
		}
		count++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if count != events {
		return fmt.Errorf("%s has %d events where there are %d", stream, count, events)
	}
	return nil
}
