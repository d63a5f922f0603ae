package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/strandlog/strand/projections"
)

// parkingColumns is what collectParked reads.
const parkingColumns = `partition, stream, "offset", event_id, event_type, coalesce(error, ''), skipped, retry, attempts, parked`

func collectParked(rows pgx.Rows, err error) ([]projections.ParkedEvent, error) {
	if err != nil {
		return nil, classified(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e projections.ParkedEvent, err error) {
		err = row.Scan(&e.Partition, &e.Stream, &e.Offset, &e.ID, &e.Type, &e.Reason, &e.Skipped, &e.Retry, &e.Attempts, &e.Parked)
		return e, err
	})
	return all, classified(err)
}

func readParked(ctx context.Context, from querier, p projections.ID) ([]projections.ParkedEvent, error) {
	return collectParked(from.Query(ctx, "SELECT "+parkingColumns+` FROM strand.parked WHERE projection = $1 AND version = $2 ORDER BY partition, "offset"`, p.Name, p.Version))
}

// Waiting implements [projections.Parking].
func (l *lane) Waiting(ctx context.Context) (map[string]bool, error) {
	rows, err := l.pool.Query(ctx, "SELECT stream, bool_or(retry) OR (array_agg(error IS NULL ORDER BY \"offset\"))[1] FROM strand.parked WHERE projection = $1 AND version = $2 AND partition = $3 AND NOT skipped GROUP BY stream",
		l.claim.Projection, l.claim.Version, l.claim.Partition)
	if err != nil {
		return nil, classified(err)
	}
	defer rows.Close()
	waiting := map[string]bool{}
	for rows.Next() {
		var stream string
		var retry bool
		if err := rows.Scan(&stream, &retry); err != nil {
			return nil, classified(err)
		}
		waiting[stream] = retry
	}
	return waiting, classified(rows.Err())
}

// First implements [projections.Parking].
func (l *lane) First(ctx context.Context, stream string, max int) ([]projections.ParkedEvent, error) {
	return collectParked(l.pool.Query(ctx, "SELECT "+parkingColumns+` FROM strand.parked
		WHERE projection = $1 AND version = $2 AND partition = $3 AND stream = $4 AND NOT skipped ORDER BY "offset" LIMIT $5`,
		l.claim.Projection, l.claim.Version, l.claim.Partition, stream, max))
}

// parking is what a commit changes of what was set aside.
type parking struct {
	aside    []projections.ParkedEvent
	released []int64
	refused  []refusal
}

type refusal struct {
	offset int64
	reason string
}

// SetAside implements [projections.Parking].
func (l *lane) SetAside(events ...projections.ParkedEvent) {
	l.parking.aside = append(l.parking.aside, events...)
}

// Release implements [projections.Parking].
func (l *lane) Release(offset int64) { l.parking.released = append(l.parking.released, offset) }

// Refuse implements [projections.Parking].
func (l *lane) Refuse(offset int64, reason string) {
	l.parking.refused = append(l.parking.refused, refusal{offset, reason})
}

// keep queues what changes of what was set aside. What is released must still be there, so that nothing is handled twice.
func (l *lane) keep(b *pgx.Batch) {
	c, change := &l.claim, l.parking
	if n := len(change.aside); n > 0 { // some may be there already: a projection whose checkpoint was set back comes by again
		streams, offsets, ids, types, reasons, skipped := make([]string, n), make([]int64, n), make([]string, n), make([]string, n), make([]*string, n), make([]bool, n)
		for i, e := range change.aside {
			streams[i], offsets[i], ids[i], types[i], skipped[i] = e.Stream, e.Offset, e.ID.String(), e.Type, e.Skipped
			if e.Reason != "" {
				reasons[i] = new(clean(e.Reason))
			}
		}
		b.Queue(`INSERT INTO strand.parked (projection, version, partition, stream, "offset", event_id, event_type, error, skipped)
			SELECT $1, $2, $3, * FROM unnest($4::text[], $5::bigint[], $6::uuid[], $7::text[], $8::text[], $9::boolean[])
			ON CONFLICT (projection, version, partition, "offset") DO UPDATE
			SET error = coalesce(excluded.error, parked.error), skipped = excluded.skipped, retry = false`,
			c.Projection, c.Version, c.Partition, streams, offsets, ids, types, reasons, skipped)
	}
	if len(change.released) > 0 {
		b.Queue(`WITH w AS (DELETE FROM strand.parked WHERE projection = $1 AND version = $2 AND partition = $3 AND "offset" = ANY($4) RETURNING 1)
			SELECT strand.expect((SELECT count(*) FROM w), $5)`, c.Projection, c.Version, c.Partition, change.released, len(change.released))
	}
	for _, r := range change.refused {
		b.Queue(`UPDATE strand.parked SET error = $5, attempts = attempts + 1, retry = false WHERE projection = $1 AND version = $2 AND partition = $3 AND "offset" = $4`,
			c.Projection, c.Version, c.Partition, r.offset, clean(r.reason))
		b.Queue(`UPDATE strand.parked SET retry = false WHERE projection = $1 AND version = $2 AND partition = $3
			AND stream = (SELECT stream FROM strand.parked WHERE projection = $1 AND version = $2 AND partition = $3 AND "offset" = $4)`, c.Projection, c.Version, c.Partition, r.offset)
	}
}

// clean makes text that PostgreSQL holds of what an error says.
func clean(reason string) string {
	if checkText(reason) != nil {
		return fmt.Sprintf("%q", reason)
	}
	return reason
}
