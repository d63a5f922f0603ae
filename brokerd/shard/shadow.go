package shard

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/strandlog/strand/internal/wire"
)

// ErrBehind means that a log was cut where this node has not read it: what it holds of it is dropped, and read anew from where the log begins now.
var ErrBehind = errors.New("the log begins behind what this node has read of it")

// shadow applies what this node's copy of the log has by now, so that a takeover finds segments and index up to date.
func (s *Shard) shadow(ctx context.Context) error {
	if !s.anchored {
		if err := s.beginCut(ctx); err != nil {
			return err
		}
		if err := s.anchor(ctx); err != nil {
			return err
		}
	}
	err := s.replay(ctx, s.cfg.Log.Tail(ctx, s.core.State().Seq+1))
	if errors.Is(err, ErrBehind) {
		return s.behind(s.core.State().Seq + 1)
	}
	return err
}

// beginCut begins where the log begins, if it was ever cut.
func (s *Shard) beginCut(ctx context.Context) error {
	if s.cfg.Kind == wire.KindVersioned {
		return nil
	}
	first, _, err := s.cfg.Log.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("asking the engine for its first sequence: %w", err)
	}
	return s.begin(ctx, max(first, s.store.mark.cutAt()))
}

// behind ends a shard that needs what the log does not hold any more. A versioned log is never cut, and one without other copies by this node alone,
// which had read it: there it is damage.
func (s *Shard) behind(first uint64) error {
	st := s.core.State()
	if s.cfg.Kind == wire.KindVersioned || !s.cfg.Replicated {
		err := &CorruptError{Seq: st.Seq + 1, Reason: fmt.Errorf("the log begins at sequence %d: it was cut where this node had not read it", first)}
		s.core.Stop(err)
		return err
	}
	return s.store.fail(ErrBehind)
}

// replay applies messages of the log in their order.
func (s *Shard) replay(ctx context.Context, messages iter.Seq2[Message, error]) error {
	acked, sum := s.store.mark.acked()
	for msg, err := range messages {
		if err != nil {
			return s.unread(err)
		}
		if err := s.core.Committed(msg.Seq, msg.Data); err != nil {
			return err
		}
		if st := s.core.State(); msg.Seq == acked && st.Sum != sum {
			err := fmt.Errorf("%w: the log at engine sequence %d is not the one that was acknowledged", ErrDiverged, acked)
			s.core.Stop(err)
			return err
		}
		if space, full := s.store.full(); full {
			select {
			case <-space:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}
