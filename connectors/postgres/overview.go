package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// List implements [projections.Admin]: all are as they are at one moment.
func (a *Admin) List(ctx context.Context) ([]projections.Overview, error) {
	if err := a.database.check(ctx); err != nil {
		return nil, err
	}
	var all []projections.Overview
	err := pgx.BeginTxFunc(ctx, a.database.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			SELECT p.name, p.version, p.topic, p.topic_id, p.log_id, coalesce(p.partitions, 0), p.created, p.paused, l.version IS NOT NULL, coalesce(w.waiting, 0), coalesce(w.skipped, 0)
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

func scanOverview(row pgx.CollectableRow) (o projections.Overview, err error) {
	var topic *string
	var topicID, logID *uuid.UUID
	var partitions int
	err = row.Scan(&o.ID.Name, &o.ID.Version, &topic, &topicID, &logID, &partitions, &o.Created, &o.Paused, &o.Live, &o.Waiting, &o.Skipped)
	if topic != nil {
		o.Source = projections.Source{Topic: *topic, TopicID: *topicID, LogID: *logID, Partitions: partitions}
	}
	return o, err
}

// progress adds the partitions to the versions that they belong to.
func progress(ctx context.Context, tx pgx.Tx, all []projections.Overview) error {
	of := make(map[projections.ID]*projections.Overview, len(all))
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
		var p projections.PartitionOverview
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
