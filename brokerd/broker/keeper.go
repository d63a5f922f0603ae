package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/strandlog/strand/brokerd/shard"
)

const (
	reopenBackoffMin = 50 * time.Millisecond
	reopenBackoffMax = 5 * time.Second
)

// keeper keeps one shard open. A shard whose caches are damaged or cannot be written is closed and opened again: its segments and index are cut
// to what they vouch for, or dropped, and refilled from the log. A shard whose log is damaged is left as it is, and answers with the reason.
type keeper struct {
	topic  string // what it is called where it is shown
	number int
	stream string // of the engine
	layout shard.Layout

	minInSync int

	retention *shard.RetentionPolicy // of every shard that is opened

	open   func(ctx context.Context) (*shard.Shard, error)
	room   func() error // nil while there is room to write the caches
	logger *slog.Logger
	stop   context.CancelFunc
	done   chan struct{} // closed when run has ended

	mu    sync.Mutex
	shard *shard.Shard
}

// keep opens a shard and keeps it open until close. It returns once the shard serves, or never will.
func keep(ctx context.Context, open func(context.Context) (*shard.Shard, error), room func() error, logger *slog.Logger) (*keeper, error) {
	sh, err := open(ctx)
	if sh == nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{open: open, room: room, logger: logger, stop: stop, done: make(chan struct{}), shard: sh}
	if errors.Is(err, shard.ErrCache) {
		k.reopen(ctx)
		err = ctx.Err()
	} else if err != nil {
		logger.Error("the shard serves nothing", "error", err)
		err = nil
	}
	go k.run(life)
	if err != nil {
		return nil, errors.Join(err, k.close(life))
	}
	return k, nil
}

// current is the shard as of now. While it is opened again that is the one before, which answers that it is being rebuilt.
func (k *keeper) current() *shard.Shard {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shard
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	for ctx.Err() == nil {
		sh := k.current()
		select {
		case <-sh.Stopped():
		case <-ctx.Done():
			return
		}
		cause := sh.Status().Cause
		if !errors.Is(cause, shard.ErrCache) {
			k.logger.Error("the shard serves nothing", "error", cause)
			return
		}
		k.reopen(ctx)
	}
}

// reopen replaces a shard that has stopped, or returns because ctx has ended.
func (k *keeper) reopen(ctx context.Context) {
	began := time.Now()
	old := k.current()
	cause := old.Status().Cause
	if err := old.Close(ctx); err != nil {
		k.logger.Warn("a shard whose caches failed did not close cleanly", "error", err)
	}
	for backoff := reopenBackoffMin; ctx.Err() == nil; backoff = min(2*backoff, reopenBackoffMax) {
		if err := k.room(); err == nil {
			sh, err := k.open(ctx)
			if sh != nil && !errors.Is(err, shard.ErrCache) {
				k.mu.Lock()
				k.shard = sh
				k.mu.Unlock()
				k.logger.Warn("segments and index were brought back from the log", "took", time.Since(began), "reason", cause)
				return
			}
			if ctx.Err() == nil {
				k.logger.Error("segments and index could not be opened again, trying on", "error", err, "after", backoff)
			}
			if sh != nil {
				_ = sh.Close(ctx) // it has told what is the matter
			}
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
		}
	}
}

func (k *keeper) close(ctx context.Context) error {
	k.stop()
	select {
	case <-k.done:
	case <-ctx.Done():
	}
	return k.current().Close(ctx)
}
