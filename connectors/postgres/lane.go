package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/strandlog/strand/projections"
)

// lane is a claimed partition: what the lanes of both sinks have in common.
type lane struct {
	*database
	claim  projections.Claim
	number int64
	mark   projections.Mark
	from   int64 // the first new record, as of the claim
	closed bool

	parking parking // of the commit under way
}

// Checkpoint is the mark of the last commit.
func (l *lane) Checkpoint() projections.Mark { return l.mark }

// NewFrom implements [projections.Gated].
func (l *lane) NewFrom() int64 { return l.from }

// Owned implements [projections.Gated].
func (l *lane) Owned(ctx context.Context) error {
	at, refused, err := l.stored(ctx)
	switch {
	case refused != nil:
		return refused
	case at.paused:
		return projections.Paused(l.claim.ID())
	}
	return classified(err)
}

// Close releases the lane.
func (l *lane) Close() error {
	l.closed = true
	return nil
}

var errClosed = errors.New("commit on a closed lane")

// admit refuses what no lane commits.
func (l *lane) admit(next projections.Mark) error {
	switch {
	case l.closed:
		return errClosed
	case next.Next < l.mark.Next:
		return fmt.Errorf("a checkpoint cannot go back from %d to %d", l.mark.Next, next.Next)
	}
	return nil
}

// begin queues what every commit begins with: it ends the transaction if the lane has lost its partition.
func (l *lane) begin(b *pgx.Batch, next projections.Mark) {
	b.Queue("SELECT set_config('synchronous_commit', $1, true), set_config('lock_timeout', $2, true), set_config('application_name', $3, true)",
		l.synchronous, ms(lockTimeout), application(l.claim))
	var eventID *uuid.UUID
	if next.EventID != uuid.Nil {
		eventID = &next.EventID
	}
	b.Queue("SELECT strand.advance($1, $2, $3, $4, $5, $6, $7, $8)",
		l.claim.Projection, l.claim.Version, l.claim.Partition, l.number, l.mark.Next, next.Next, int64(next.LogEpoch), eventID)
}

// end is what a commit comes to whose transaction ended with err.
func (l *lane) end(ctx context.Context, next projections.Mark, err error) error {
	if err == nil {
		l.mark = next
		l.announce()
		return nil
	}
	if refused := fenced(err, l.claim); refused != nil {
		return refused
	}
	l.clear(ctx, err)
	if _, said := errors.AsType[*pgconn.PgError](err); said || !lost(err) || pgconn.SafeToRetry(err) {
		return classified(err) // nothing was committed
	}
	return l.learn(ctx, next, err)
}

// clear ends what is left of an earlier commit of this lane, if that is what has held the checkpoint: its connection was lost, and the server does not know. When
// that does not help, the next try tells.
func (l *lane) clear(ctx context.Context, err error) {
	if locked(err) {
		_ = l.endStuck(ctx, application(l.claim), time.Second, true)
	}
}

// mine returns cause, or that the lane was fenced, if that is why a table is not there any more.
func (l *lane) mine(ctx context.Context, cause error) error {
	if !missing(cause) {
		return cause
	}
	if _, refused, err := l.stored(ctx); err == nil && refused != nil {
		return refused
	}
	return cause
}

// learn finds out whether a commit took place whose answer was lost. One that is still on its way fences the next try, because its checkpoint is then not
// the expected one.
func (l *lane) learn(ctx context.Context, next projections.Mark, cause error) error {
	at, refused, err := l.stored(ctx)
	switch {
	case err != nil:
		return &projections.TransientError{Err: errors.Join(cause, err)}
	case refused != nil:
		return refused
	case at.next == next.Next && next.Next != l.mark.Next:
		l.mark = next
		l.announce()
		return nil
	}
	return &projections.TransientError{Err: cause}
}

// stored is what the database says of a lane.
type stored struct {
	next   int64 // of the checkpoint
	paused bool
}

// stored reads it, and who fenced the lane if another holds the partition by now.
func (l *lane) stored(ctx context.Context) (at stored, refused *projections.FencedError, err error) {
	var number, epoch int64
	err = l.pool.QueryRow(ctx, `SELECT c.lane, c.next_offset, c.epoch, p.paused FROM strand.checkpoints c JOIN strand.projections p ON p.name = c.projection AND p.version = c.version
		WHERE c.projection = $1 AND c.version = $2 AND c.partition = $3`, l.claim.Projection, l.claim.Version, l.claim.Partition).Scan(&number, &at.next, &epoch, &at.paused)
	if err == nil && number != l.number {
		refused = &projections.FencedError{Projection: l.claim.ID(), Partition: l.claim.Partition, Epoch: l.claim.Epoch, Owner: uint64(epoch)}
	}
	return at, refused, err
}
