package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/projections"
)

// Admin is that of the projections of a database.
type Admin struct{ database *database }

// NewAdmin needs two connections of a pool.
func NewAdmin(pool *pgxpool.Pool) *Admin { return &Admin{newDatabase(pool, nil)} }

// Place implements [projections.Placed].
func (a *Admin) Place(ctx context.Context) (string, error) { return a.database.placeOf(ctx) }

// Pause implements [projections.Admin].
func (a *Admin) Pause(ctx context.Context, p projections.ID) error {
	if err := a.setPaused(ctx, p, true); err != nil {
		return err
	}
	// The commits under way have locked their checkpoints.
	_, err := a.database.pool.Exec(ctx, "SELECT FROM strand.checkpoints WHERE projection = $1 AND version = $2 ORDER BY partition FOR UPDATE", p.Name, p.Version)
	return classified(err)
}

// Resume implements [projections.Admin].
func (a *Admin) Resume(ctx context.Context, p projections.ID) error {
	return a.setPaused(ctx, p, false)
}

func (a *Admin) setPaused(ctx context.Context, p projections.ID, paused bool) error {
	return a.about(ctx, p, "UPDATE strand.projections SET paused = $3 WHERE name = $1 AND version = $2", paused)
}

// SetCheckpoints implements [projections.Admin].
func (a *Admin) SetCheckpoints(ctx context.Context, p projections.ID, next map[int32]int64) error {
	if err := projections.CheckOffsets(next); err != nil {
		return err
	}
	if err := a.known(ctx, p); err != nil {
		return err
	}
	return a.database.begin(ctx, terms{application: upkeep(p), idle: idleTimeout}, func(tx pgx.Tx) error { // for the commits under way
		for partition, offset := range next {
			tag, err := tx.Exec(ctx, `UPDATE strand.checkpoints SET next_offset = $4, new_from = greatest(new_from, next_offset), log_epoch = 0, event_id = NULL, lane = lane + 1
				WHERE projection = $1 AND version = $2 AND partition = $3`, p.Name, p.Version, partition, offset)
			switch {
			case err != nil:
				return err
			case tag.RowsAffected() == 0:
				return &projections.UnknownProjectionError{Projection: p, Partition: partition}
			}
		}
		return nil
	})
}

// Parked implements [projections.Admin].
func (a *Admin) Parked(ctx context.Context, p projections.ID) ([]projections.ParkedEvent, error) {
	if err := a.known(ctx, p); err != nil {
		return nil, err
	}
	return readParked(ctx, a.database.pool, p)
}

// Retry implements [projections.Admin].
func (a *Admin) Retry(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	if err := a.known(ctx, p); err != nil {
		return 0, err
	}
	tag, err := a.database.pool.Exec(ctx, "UPDATE strand.parked SET retry = true WHERE projection = $1 AND version = $2 AND stream = $3 AND NOT skipped", p.Name, p.Version, stream)
	return tag.RowsAffected(), classified(err)
}

// Drop implements [projections.Admin].
func (a *Admin) Drop(ctx context.Context, p projections.ID, stream string) (events int64, err error) {
	if err := a.known(ctx, p); err != nil {
		return 0, err
	}
	tag, err := a.database.pool.Exec(ctx, "DELETE FROM strand.parked WHERE projection = $1 AND version = $2 AND stream = $3", p.Name, p.Version, stream)
	return tag.RowsAffected(), classified(err)
}

// known refuses a projection version that no worker has run.
func (a *Admin) known(ctx context.Context, p projections.ID) error {
	return a.about(ctx, p, "SELECT FROM strand.projections WHERE name = $1 AND version = $2")
}

// about runs a statement about the row of a projection version, which has to be there.
func (a *Admin) about(ctx context.Context, p projections.ID, sql string, args ...any) error {
	if err := a.database.check(ctx); err != nil {
		return err
	}
	tag, err := a.database.pool.Exec(ctx, sql, append([]any{p.Name, p.Version}, args...)...)
	if err == nil && tag.RowsAffected() == 0 {
		return &projections.UnknownProjectionError{Projection: p, Partition: -1}
	}
	return classified(err)
}
