package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/projections"
)

// ErrUnknownProjection means that no worker has run a projection version on a database.
var ErrUnknownProjection = errors.New("postgres: no such projection")

func unknownProjection(p projections.ID) error {
	return fmt.Errorf("%w: %s", ErrUnknownProjection, p)
}

// Pause has a projection version commit nothing until [Resume]. It waits for the commits under way. Workers stay, and try again every few seconds.
func Pause(ctx context.Context, pool *pgxpool.Pool, p projections.ID) error {
	if err := setPaused(ctx, pool, p, true); err != nil {
		return err
	}
	// Each has locked its checkpoint.
	_, err := pool.Exec(ctx, "SELECT FROM strand.checkpoints WHERE projection = $1 AND version = $2 ORDER BY partition FOR UPDATE", p.Name, p.Version)
	return classified(err)
}

// Resume ends what Pause began. Workers go on within some five seconds.
func Resume(ctx context.Context, pool *pgxpool.Pool, p projections.ID) error {
	return setPaused(ctx, pool, p, false)
}

func setPaused(ctx context.Context, pool *pgxpool.Pool, p projections.ID, paused bool) error {
	tag, err := pool.Exec(ctx, "UPDATE strand.projections SET paused = $3 WHERE name = $1 AND version = $2", p.Name, p.Version, paused)
	if err == nil && tag.RowsAffected() == 0 {
		return unknownProjection(p)
	}
	return classified(err)
}

// SetCheckpoints has partitions go on at other offsets: further back, and what lies between has its effects again; further on, and it never has any. What is
// in the read model stays. Workers are fenced, and begin anew there with their next commit. Whoever wants a read model that is right makes it again, from the
// start.
func SetCheckpoints(ctx context.Context, pool *pgxpool.Pool, p projections.ID, next map[int32]int64) error {
	return newDatabase(pool, nil).within(ctx, func(tx pgx.Tx) error {
		for partition, offset := range next {
			if offset < 0 {
				return fmt.Errorf("postgres: a checkpoint of partition %d at offset %d: offsets are not negative", partition, offset)
			}
			tag, err := tx.Exec(ctx, `UPDATE strand.checkpoints SET next_offset = $4, log_epoch = 0, event_id = NULL, lane = lane + 1
				WHERE projection = $1 AND version = $2 AND partition = $3`, p.Name, p.Version, partition, offset)
			switch {
			case err != nil:
				return err
			case tag.RowsAffected() == 0:
				return fmt.Errorf("%w, or no worker has claimed partition %d of it", unknownProjection(p), partition)
			}
		}
		return nil
	})
}
