package shard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// retention lets the records go that a plain topic need not keep any more. The log can only be cut at a snapshot, so it sees to it that there are
// some; then it moves the starts to the newest snapshot before which nothing is to be kept, and cuts segments and log there.
type retention struct {
	shard *Shard
	wake  chan struct{}

	mu      sync.Mutex // held for a turn
	cut     uint64     // sequence of the snapshot at which this node cut the log last
	trimmed uint64     // the same of its segments, at least
	cleaner cleaner
}

func newRetention(s *Shard) *retention {
	return &retention{shard: s, wake: make(chan struct{}, 1), cleaner: cleaner{shard: s}}
}

// nudge makes it look at once.
func (r *retention) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *retention) run(ctx context.Context) {
	ticker := time.NewTicker(r.shard.cfg.RetentionPolling)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
		if err := r.turn(ctx); err != nil && ctx.Err() == nil {
			r.shard.cfg.Logger.Warn("records that need not be kept could not be removed, trying again", "error", err)
		}
	}
}

func (r *retention) turn(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.shard
	phase := s.Status().Phase
	if phase == Follow {
		return r.release(ctx, false) // what another node's snapshots let go
	}
	if phase != Serving {
		return nil
	}
	var err error
	if s.cfg.Kind == wire.KindTable {
		err = r.cleaner.turn(ctx)
	} else {
		err = r.expire(ctx)
	}
	return errors.Join(err, r.release(ctx, true))
}

// expire writes the snapshots that are due: one that notes where the log ends now, and one that moves the starts. While much is written and little is
// kept another one would be due each time, and nothing ever cut.
func (r *retention) expire(ctx context.Context) error {
	s := r.shard
	for range 2 {
		at := s.store.appliedState()
		starts, due := planSnapshot(s.cfg.Retention.get(), &at, s.cfg.Clock().UnixMilli())
		if !due {
			return nil
		}
		if err := s.snapshot(ctx, starts); err != nil {
			return err
		}
	}
	return nil
}

// snapshot writes one that moves the starts forward.
func (s *Shard) snapshot(ctx context.Context, starts []int64) error {
	if a := s.wait(ctx, Append{Starts: starts}); a.Code != wire.OK {
		return fmt.Errorf("writing a snapshot: %s %s", a.Code, a.Detail)
	}
	return nil
}

// release cuts segments, and the log if this node leads it, where nothing is to be kept before.
func (r *retention) release(ctx context.Context, leads bool) error {
	s := r.shard
	at := s.store.appliedState()
	done := r.cut
	if !leads {
		done = r.trimmed
	}
	if i := newestCut(at.Points, at.Starts); i < 0 || at.Points[i].Seq <= done {
		return nil
	}
	if _, err := s.store.reach(ctx, 0, 0); err != nil { // else what was just found may not be on its way to the index yet
		return err
	}
	point, err := s.store.cut(ctx)
	if err != nil || point == nil || point.Seq <= done {
		return err
	}
	if r.trimmed = point.Seq; !leads {
		return nil
	}
	if err := s.store.mark.setCut(point.Seq); err != nil {
		return err
	}
	if err := s.cfg.Log.Cut(ctx, point.Seq); err != nil {
		return fmt.Errorf("cutting the log before sequence %d: %w", point.Seq, err)
	}
	r.cut = point.Seq
	return nil
}

// How far snapshots lie apart: the closer, the less is kept beyond what must be.
const (
	snapshotParts    = 8       // of what is kept
	snapshotBytesMin = 1 << 20 // bytes of batches
	snapshotBytesMax = 64 << 20
)

// planSnapshot says whether a snapshot is to be written now, and to where it moves the starts. What it says it says of a state once: the snapshot
// changes it.
func planSnapshot(keep wire.Retention, at *State, now int64) (starts []int64, due bool) {
	starts = make([]int64, len(at.Next))
	for _, p := range at.Points {
		tooMuch := keep.Bytes > 0 && at.Bytes-p.Bytes >= keep.Bytes
		tooOld := keep.AgeMS > 0 && p.Time < now-keep.AgeMS
		if !tooMuch && !tooOld {
			break
		}
		for slot, next := range p.Next {
			due = due || next > at.Starts[slot]
			starts[slot] = next
		}
	}
	if due {
		return starts, true
	}
	last := Point{Next: make([]int64, len(at.Next))}
	if n := len(at.Points); n > 0 {
		last = at.Points[n-1]
	}
	if slices.Equal(last.Next, at.Next) {
		return nil, false
	}
	step := int64(snapshotBytesMax)
	if keep.Bytes > 0 {
		step = min(max(keep.Bytes/snapshotParts, snapshotBytesMin), snapshotBytesMax)
	}
	byBytes := at.Bytes-last.Bytes >= step
	byAge := keep.AgeMS > 0 && now-last.Time >= max(keep.AgeMS/snapshotParts, 1)
	return starts, byBytes || byAge
}

// appliedState is a copy of the newest committed state.
func (s *store) appliedState() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applied
}
