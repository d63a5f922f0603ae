package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

// Option changes how a sink works.
type Option func(*database)

// Durable has every commit wait for PostgreSQL's disk, so that readers never see a commit that a crash takes back.
func Durable() Option { return func(d *database) { d.synchronous = "on" } }

// database is what both sinks have in common: projections, checkpoints and owners.
type database struct {
	pool        *pgxpool.Pool
	synchronous string // synchronous_commit of commits

	mu      sync.Mutex
	ready   bool          // the migrations are done
	place   string        // empty: it was not read yet
	changed chan struct{} // closed at the next commit of this process; nil while nobody waits
}

func newDatabase(pool *pgxpool.Pool, options []Option) *database {
	d := &database{pool: pool, synchronous: "off"}
	for _, option := range options {
		option(d)
	}
	return d
}

const (
	lockTimeout = 2 * time.Second  // of a claim, and of what a handler waits for
	idleTimeout = 10 * time.Second // of a transaction whose worker does nothing
	setupIdle   = time.Minute      // the same while a projection is set up, which may compute something

	operatorPatience = 30 * time.Second // of a reset, and of a switch
)

// check returns once that the migrations are done.
func (d *database) check(ctx context.Context) error {
	d.mu.Lock()
	ready := d.ready
	d.mu.Unlock()
	if ready {
		return nil
	}
	if err := migrations.Check(ctx, d.pool); err != nil {
		return classified(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = true
	return nil
}

// placeOf is the first part of an id that the migrations give to each database.
func (d *database) placeOf(ctx context.Context) (string, error) {
	if err := d.check(ctx); err != nil {
		return "", err
	}
	d.mu.Lock()
	place := d.place
	d.mu.Unlock()
	if place != "" {
		return place, nil
	}
	var id uuid.UUID
	if err := d.pool.QueryRow(ctx, "SELECT id FROM strand.place").Scan(&id); err != nil {
		return "", classified(fmt.Errorf("looking up which database it is: %w", err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.place = id.String()[:8]
	return d.place, nil
}

// terms are those of a transaction: every one has a name by which it is found, and an end when nothing is heard of its client.
type terms struct {
	application string
	locks       time.Duration // how long it waits for each lock; 0: as long as it takes
	idle        time.Duration // how long it may do nothing
}

// within runs fn in a transaction about a projection version that waits for no lock longer than lockTimeout.
func (d *database) within(ctx context.Context, p projections.ID, fn func(tx pgx.Tx) error) error {
	return d.begin(ctx, terms{upkeep(p), lockTimeout, idleTimeout}, fn)
}

// begin runs fn in a transaction.
func (d *database) begin(ctx context.Context, t terms, fn func(tx pgx.Tx) error) error {
	if err := d.check(ctx); err != nil {
		return err
	}
	return classified(pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true), set_config('application_name', $3, true)",
			ms(t.locks), ms(t.idle), t.application); err != nil {
			return err
		}
		return fn(tx)
	}))
}

func ms(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// owned is the row of a projection version. One that was reset has no topic, but still the ids of the one that its epochs come from.
type owned struct {
	topic          *string
	topicID, logID *uuid.UUID
	setUp          bool
}

// own locks the row of a projection version, and makes it if it is not there. Commits, which hold their checkpoint, refer to it when they set events aside: that
// must not wait for whoever holds it and waits for the checkpoint.
func own(ctx context.Context, tx pgx.Tx, p projections.ID) (o owned, err error) {
	if _, err := tx.Exec(ctx, "INSERT INTO strand.projections (name, version) VALUES ($1, $2) ON CONFLICT DO NOTHING", p.Name, p.Version); err != nil {
		return o, err
	}
	err = tx.QueryRow(ctx, "SELECT topic, topic_id, log_id, set_up FROM strand.projections WHERE name = $1 AND version = $2 FOR NO KEY UPDATE", p.Name, p.Version).
		Scan(&o.topic, &o.topicID, &o.logID, &o.setUp)
	return o, err
}

// follow has a projection version without a topic follow that of a claim. Epochs of another topic are not to be compared with those to come: they begin anew,
// while owners of the past stay fenced by the numbers of their lanes.
func (o owned) follow(ctx context.Context, tx pgx.Tx, c projections.Claim) error {
	if _, err := tx.Exec(ctx, "UPDATE strand.projections SET topic = $3, topic_id = $4, log_id = $5, partitions = $6 WHERE name = $1 AND version = $2",
		c.Projection, c.Version, c.Topic, c.TopicID, c.LogID, c.Partitions); err != nil {
		return err
	}
	if o.topicID == nil || *o.topicID == c.TopicID && *o.logID == c.LogID {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE strand.checkpoints SET epoch = 0, new_from = CASE WHEN $3 AND new_from <> $4 THEN 0 ELSE new_from END WHERE projection = $1 AND version = $2`,
		c.Projection, c.Version, *o.topicID != c.TopicID, int64(projections.NeverNew)) // one from a backup is the same topic
	return err
}

// claimed is what a claim found.
type claimed struct {
	lane    int64
	mark    projections.Mark
	newFrom int64
}

// claim makes the caller the owner of a partition. create makes what it writes to, if that is not there.
func (d *database) claim(ctx context.Context, c projections.Claim, create func(tx pgx.Tx) error) (got claimed, err error) {
	if err := checkName(c.ID()); err != nil {
		return got, err
	}
	for try := 0; ; try++ {
		err = d.within(ctx, c.ID(), func(tx pgx.Tx) error {
			got, err = take(ctx, tx, c)
			if err == nil && create != nil {
				err = create(tx)
			}
			return err
		})
		if !locked(err) || try > 0 {
			return got, err
		}
		if err := cmp.Or(d.endStuck(ctx, application(c), time.Second, true), d.endStuckUpkeep(ctx, c.ID())); err != nil {
			return got, err
		}
	}
}

func take(ctx context.Context, tx pgx.Tx, c projections.Claim) (got claimed, err error) {
	o, err := own(ctx, tx, c.ID())
	switch {
	case err != nil:
		return got, err
	case o.topic == nil:
		if err := o.follow(ctx, tx, c); err != nil {
			return got, err
		}
	case *o.topic != c.Topic || *o.topicID != c.TopicID || *o.logID != c.LogID:
		return got, &projections.DivergedError{Projection: c.ID(), Topic: c.Topic, Partition: c.Partition,
			Reason: fmt.Sprintf("the checkpoint belongs to topic %s (id %s, log %s), the worker reads topic %s (id %s, log %s)",
				*o.topic, *o.topicID, *o.logID, c.Topic, c.TopicID, c.LogID)}
	}
	var eventID *uuid.UUID
	var logEpoch int64
	version, err := live(ctx, tx, c.ID(), "FOR SHARE") // nobody switches meanwhile
	if err != nil {
		return got, err
	}
	var newFrom int64
	if version != c.Version {
		newFrom = projections.NeverNew
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO strand.checkpoints AS c (projection, version, partition, epoch, lane, new_from) VALUES ($1, $2, $3, $4, 1, $5)
		ON CONFLICT (projection, version, partition) DO UPDATE SET epoch = excluded.epoch, lane = c.lane + 1 WHERE c.epoch <= excluded.epoch
		RETURNING lane, next_offset, log_epoch, event_id, new_from`, c.Projection, c.Version, c.Partition, int64(c.Epoch), newFrom).
		Scan(&got.lane, &got.mark.Next, &logEpoch, &eventID, &got.newFrom)
	if errors.Is(err, pgx.ErrNoRows) {
		var owner int64
		if err := tx.QueryRow(ctx, "SELECT epoch FROM strand.checkpoints WHERE projection = $1 AND version = $2 AND partition = $3", c.Projection, c.Version, c.Partition).Scan(&owner); err != nil {
			return got, err
		}
		return got, &projections.FencedError{Projection: c.ID(), Partition: c.Partition, Epoch: c.Epoch, Owner: uint64(owner)}
	}
	got.mark.LogEpoch = uint64(logEpoch)
	if eventID != nil {
		got.mark.EventID = *eventID
	}
	return got, err
}

// application names the transactions of a partition's owner in pg_stat_activity.
func application(c projections.Claim) string {
	return shorten(fmt.Sprintf("strand %s p%d", c.ID(), c.Partition))
}

// upkeep names the transactions of claims, and of operators, about a projection version; setting names those that set it up.
func upkeep(p projections.ID) string  { return shorten(fmt.Sprintf("strand %s upkeep", p)) }
func setting(p projections.ID) string { return shorten(fmt.Sprintf("strand %s setup", p)) }

// endStuck ends transactions of some name that have done nothing for a while, and hold what others wait for: their clients stand still, or are gone without the
// server's knowing. In the middle of a batch they are active, and wait for the rest of it; so is a Setup that copies something, which nobody else has to end.
func (d *database) endStuck(ctx context.Context, application string, idle time.Duration, batches bool) error {
	_, err := d.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = $1 AND datname = current_database() AND (state LIKE 'idle in transaction%' OR $3 AND state = 'active' AND wait_event = 'ClientRead')
			AND state_change < now() - $2 * interval '1 millisecond'
			AND ((SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
				OR NOT (SELECT rolsuper FROM pg_roles WHERE oid = usesysid) AND (pg_has_role(usesysid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))`,
		application, idle.Milliseconds(), batches) // of others one would be refused
	return classified(err)
}

func (d *database) endStuckUpkeep(ctx context.Context, p projections.ID) error {
	return cmp.Or(d.endStuck(ctx, upkeep(p), time.Second, true), d.endStuck(ctx, setting(p), setupIdle, false))
}

// setUp runs fn once in the life of a projection version, in a transaction that also makes the version's schema.
func (d *database) setUp(ctx context.Context, p projections.ID, fn func(tx pgx.Tx) error) error {
	if err := checkName(p); err != nil {
		return err
	}
	for { // another worker may be setting it up, which takes what it takes
		err := d.begin(ctx, terms{setting(p), lockTimeout, setupIdle}, func(tx pgx.Tx) error { return setUpOnce(ctx, tx, p, fn) })
		if !locked(err) || ctx.Err() != nil {
			return err
		}
		if err := d.endStuckUpkeep(ctx, p); err != nil {
			return err
		}
	}
}

func setUpOnce(ctx context.Context, tx pgx.Tx, p projections.ID, fn func(tx pgx.Tx) error) error {
	o, err := own(ctx, tx, p)
	if err != nil || o.setUp {
		return err
	}
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', '0', true)"); err != nil { // what fn waits for is its own affair
		return err
	}
	if err := createSchema(ctx, tx, p); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	// Readers may hold the views, and others must not wait behind this for them.
	if _, err := tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", ms(lockTimeout)); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "UPDATE strand.projections SET set_up = true WHERE name = $1 AND version = $2", p.Name, p.Version); err != nil {
		return err
	}
	for {
		err := pgx.BeginFunc(ctx, tx, func(try pgx.Tx) error { return showFirst(ctx, try, p) })
		if !locked(err) || ctx.Err() != nil {
			return err
		}
	}
}

// createSchema makes the schema of a projection version, and has the transaction find its tables.
func createSchema(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	there, err := ownSchema(ctx, tx, p)
	if err != nil {
		return err
	}
	if !there {
		if _, err := tx.Exec(ctx, "CREATE SCHEMA "+quote(Schema(p))+"; COMMENT ON SCHEMA "+quote(Schema(p))+" IS '"+schemaComment+"'"); err != nil {
			return err
		}
	}
	if err := enter(ctx, tx.Conn(), p); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "SELECT set_config('search_path', $1, true)", searchPath(p))
	return err
}

// schemaComment tells the schemas that were made for a version from those of somebody else, which are not to be dropped with it.
const schemaComment = "strand: holds what a version of a projection writes"

// ownSchema says whether the schema of a projection version is there, and refuses one that is somebody else's.
func ownSchema(ctx context.Context, tx pgx.Tx, p projections.ID) (there bool, err error) {
	var comment string
	err = tx.QueryRow(ctx, "SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_namespace WHERE nspname = $1", Schema(p)).Scan(&comment)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err == nil && comment != schemaComment:
		return false, &projections.InvalidError{Projection: p.Name, Reason: fmt.Sprintf("version %d needs a schema of its own, and %s is somebody else's: choose another name, or drop it", p.Version, quote(Schema(p)))}
	}
	return err == nil, err
}

// enter has a connection forget the statements that it has prepared where names meant the tables of another version: these may have columns of other types.
func enter(ctx context.Context, conn *pgx.Conn, p projections.ID) error {
	const last = "strand: projection version"
	data := conn.PgConn().CustomData()
	if was, ok := data[last]; ok && was != p {
		if err := conn.DeallocateAll(ctx); err != nil {
			return err
		}
	}
	data[last] = p
	return nil
}

func searchPath(p projections.ID) string { return quote(Schema(p)) + ", public" }

// reset removes what a projection version has written, and fences its owners. The epochs stay, and which topic they are of.
func (d *database) reset(ctx context.Context, p projections.ID) error {
	defer d.announce()
	return d.insist(ctx, "resetting projection "+p.String(), p, func(tx pgx.Tx) error { return reset(ctx, tx, p) })
}

// insist runs fn in a transaction, again and again while others hold what it needs. Commits and readers do, and whoever waits for them has later ones wait behind
// himself, so it does not wait long at a time.
func (d *database) insist(ctx context.Context, doing string, p projections.ID, fn func(pgx.Tx) error) error {
	for began := time.Now(); ; {
		err := d.within(ctx, p, fn)
		if !locked(err) || ctx.Err() != nil {
			return err
		}
		if time.Since(began) > operatorPatience {
			return fmt.Errorf("%s: transactions hold its tables or checkpoints for longer than %v: end them, pg_stat_activity shows them, or try again: %w", doing, operatorPatience, err)
		}
	}
}

func reset(ctx context.Context, tx pgx.Tx, p projections.ID) error {
	if _, err := own(ctx, tx, p); err != nil {
		return err
	}
	for _, sql := range []string{
		"UPDATE strand.checkpoints SET next_offset = 0, new_from = greatest(new_from, next_offset), log_epoch = 0, event_id = NULL, lane = lane + 1 WHERE projection = $1 AND version = $2",
		"DELETE FROM strand.parked WHERE projection = $1 AND version = $2",
		"UPDATE strand.projections SET topic = NULL, set_up = false WHERE name = $1 AND version = $2",
	} {
		if _, err := tx.Exec(ctx, sql, p.Name, p.Version); err != nil {
			return err
		}
	}
	if there, err := ownSchema(ctx, tx, p); err != nil || !there {
		return err
	}
	if err := hollow(ctx, tx, p); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DROP SCHEMA "+quote(Schema(p))+" CASCADE") // with whatever others have built on its tables
	return err
}

// announce wakes those of this process that watch.
func (d *database) announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed != nil {
		close(d.changed)
		d.changed = nil
	}
}

func (d *database) next() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.changed
}

// Commits of other processes are asked for: soon after a change, less often when nothing changes.
const (
	watchMin = 5 * time.Millisecond
	watchMax = 200 * time.Millisecond
)

// watch yields the checkpoints of a projection whenever they have changed.
func (d *database) watch(ctx context.Context, p projections.ID) iter.Seq2[projections.Checkpoints, error] {
	return func(yield func(projections.Checkpoints, error) bool) {
		var last projections.Checkpoints
		pause := watchMin
		for first := true; ; first = false {
			changed := d.next()
			now, err := d.checkpoints(ctx, p)
			if errors.Is(err, projections.ErrTransient) && !first && ctx.Err() == nil {
				now, err = last, nil // the workers wait for the database, too
			}
			if err != nil {
				yield(projections.Checkpoints{}, err)
				return
			}
			if first || now.Source != last.Source || !maps.Equal(now.Partitions, last.Partitions) {
				if !yield(now, nil) {
					return
				}
				last, pause = now, watchMin
			}
			timer := time.NewTimer(pause)
			select {
			case <-changed:
			case <-timer.C:
				pause = min(2*pause, watchMax)
			case <-ctx.Done():
				timer.Stop()
				yield(projections.Checkpoints{}, ctx.Err())
				return
			}
			timer.Stop()
		}
	}
}

func (d *database) checkpoints(ctx context.Context, p projections.ID) (now projections.Checkpoints, err error) {
	if err := d.check(ctx); err != nil {
		return now, err
	}
	return readCheckpoints(ctx, d.pool, p)
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func readCheckpoints(ctx context.Context, from querier, p projections.ID) (now projections.Checkpoints, err error) {
	now.Partitions = map[int32]projections.Checkpoint{}
	rows, err := from.Query(ctx, `
		SELECT p.topic, p.topic_id, p.log_id, coalesce(p.partitions, 0), p.paused, c.partition, c.next_offset, c.log_epoch, c.event_id, c.epoch
		FROM strand.projections p LEFT JOIN strand.checkpoints c ON c.projection = p.name AND c.version = p.version
		WHERE p.name = $1 AND p.version = $2`, p.Name, p.Version)
	if err != nil {
		return now, classified(err)
	}
	defer rows.Close()
	for rows.Next() {
		var topic *string
		var topicID, logID, eventID *uuid.UUID
		var partitions int
		var partition *int32
		var next, logEpoch, epoch *int64
		if err := rows.Scan(&topic, &topicID, &logID, &partitions, &now.Paused, &partition, &next, &logEpoch, &eventID, &epoch); err != nil {
			return now, classified(err)
		}
		if topic != nil {
			now.Source = projections.Source{Topic: *topic, TopicID: *topicID, LogID: *logID, Partitions: partitions}
		}
		if partition == nil {
			continue
		}
		at := projections.Checkpoint{Mark: projections.Mark{Next: *next, LogEpoch: uint64(*logEpoch)}, Epoch: uint64(*epoch)}
		if eventID != nil {
			at.EventID = *eventID
		}
		now.Partitions[*partition] = at
	}
	return now, classified(rows.Err())
}
