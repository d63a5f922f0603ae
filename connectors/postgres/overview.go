package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/projections"
)

// Overview is what a database knows of a projection version.
type Overview struct {
	ID         projections.ID
	Source     projections.Source // zero: no worker has claimed a partition yet
	Live       bool               // it is the one that readers see
	Created    time.Time
	Partitions []Progress // those that a worker has claimed at some time, in order

	Waiting int64 // events that were set aside, and those that wait behind them
	Skipped int64 // events that were set aside for the record
}

// Progress is how far a partition is projected.
type Progress struct {
	Partition int32
	Next      int64  // the effects of all records below it are there
	Epoch     uint64 // of its owner's assignment
	Updated   time.Time
}

// List shows all projection versions of a database, by name and version, as they are at one moment.
func List(ctx context.Context, pool *pgxpool.Pool) ([]Overview, error) {
	if err := newDatabase(pool, nil).check(ctx); err != nil {
		return nil, err
	}
	var all []Overview
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT p.name, p.version, p.topic, p.topic_id, p.log_id, p.created, l.version IS NOT NULL, coalesce(w.waiting, 0), coalesce(w.skipped, 0)
			FROM strand.projections p
			LEFT JOIN strand.live l ON l.name = p.name AND l.version = p.version
			LEFT JOIN (
				SELECT projection, version, count(*) FILTER (WHERE NOT skipped) AS waiting, count(*) FILTER (WHERE skipped) AS skipped
				FROM strand.parked GROUP BY projection, version
			) w ON w.projection = p.name AND w.version = p.version
			ORDER BY p.name, p.version`)
		if err != nil {
			return err
		}
		if all, err = pgx.CollectRows(rows, scanOverview); err != nil {
			return err
		}
		return progress(ctx, tx, all)
	})
	return all, classified(err)
}

func scanOverview(row pgx.CollectableRow) (o Overview, err error) {
	var topic *string
	var topicID, logID *uuid.UUID
	err = row.Scan(&o.ID.Name, &o.ID.Version, &topic, &topicID, &logID, &o.Created, &o.Live, &o.Waiting, &o.Skipped)
	if topic != nil {
		o.Source = projections.Source{Topic: *topic, TopicID: *topicID, LogID: *logID}
	}
	return o, err
}

// progress adds the partitions to the versions that they belong to.
func progress(ctx context.Context, tx pgx.Tx, all []Overview) error {
	of := make(map[projections.ID]*Overview, len(all))
	for i := range all {
		of[all[i].ID] = &all[i]
	}
	rows, err := tx.Query(ctx, "SELECT projection, version, partition, next_offset, epoch, updated FROM strand.checkpoints ORDER BY partition")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id projections.ID
		var p Progress
		var epoch int64
		if err := rows.Scan(&id.Name, &id.Version, &p.Partition, &p.Next, &epoch, &p.Updated); err != nil {
			return err
		}
		p.Epoch = uint64(epoch)
		if o := of[id]; o != nil {
			o.Partitions = append(o.Partitions, p)
		}
	}
	return rows.Err()
}
