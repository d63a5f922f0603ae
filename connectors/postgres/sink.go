package postgres

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/strandlog/strand/projections"
)

// Sink gives handlers the transaction that moves the checkpoint. They must not end it.
type Sink struct{ database *database }

// NewSink makes a sink on a pool, which should have a connection for each partition that the process works on, and one more.
func NewSink(pool *pgxpool.Pool, options ...Option) *Sink { return &Sink{newDatabase(pool, options)} }

// Claim implements [projections.Sink].
func (s *Sink) Claim(ctx context.Context, c projections.Claim) (projections.Lane[pgx.Tx], error) {
	got, err := s.database.claim(ctx, c, nil)
	if err != nil {
		return nil, err
	}
	s.database.announce()
	return &txLane{lane{database: s.database, claim: c, number: got.lane, mark: got.mark, from: got.newFrom}}, nil
}

// Place implements [projections.Placed].
func (s *Sink) Place(ctx context.Context) (string, error) { return s.database.placeOf(ctx) }

// Setup implements [projections.Sink].
func (s *Sink) Setup(ctx context.Context, p projections.ID, fn func(pgx.Tx) error) error {
	return s.database.setUp(ctx, p, fn)
}

// Watch implements [projections.Sink].
func (s *Sink) Watch(ctx context.Context, p projections.ID) iter.Seq2[projections.Checkpoints, error] {
	return s.database.watch(ctx, p)
}

// Reset implements [projections.Sink]: it drops the schema of the version. Tables elsewhere are the user's to clear.
func (s *Sink) Reset(ctx context.Context, p projections.ID) error { return s.database.reset(ctx, p) }

type txLane struct{ lane }

// Owned implements [projections.Gated]: a commit has its checkpoint before its handlers run.
func (l *txLane) Owned(context.Context) error { return nil }

// Commit implements [projections.Lane].
func (l *txLane) Commit(ctx context.Context, next projections.Mark, fn func(pgx.Tx) error) error {
	if err := l.admit(next); err != nil {
		return err
	}
	tx, err := l.pool.Begin(ctx)
	if err != nil {
		return classified(err)
	}
	rollback := func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }
	defer rollback() // also when fn panics; after a commit it does nothing
	refused := func(err error) error {
		rollback() // the connection is needed
		return l.refused(ctx, err)
	}
	if err := enter(ctx, tx.Conn(), l.claim.ID()); err != nil {
		return refused(err)
	}
	b := &pgx.Batch{}
	l.begin(b, next)
	b.Queue("SELECT set_config('idle_in_transaction_session_timeout', $1, true), set_config('search_path', $2, true)", ms(idleTimeout), searchPath(l.claim.ID()))
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return refused(err)
	}
	l.parking = parking{}
	if err := fn(tx); err != nil {
		return handled(err, tx.Conn().IsClosed())
	}
	kept := &pgx.Batch{}
	if l.keep(kept); kept.Len() > 0 {
		if err := tx.SendBatch(ctx, kept).Close(); err != nil {
			return refused(err)
		}
	}
	return l.end(ctx, next, tx.Commit(ctx))
}

// refused is what an error of a transaction is that has not come to its commit.
func (l *txLane) refused(ctx context.Context, err error) error {
	if refused := fenced(err, l.claim); refused != nil {
		return refused
	}
	l.clear(ctx, err)
	return classified(fmt.Errorf("beginning a commit: %w", err))
}
