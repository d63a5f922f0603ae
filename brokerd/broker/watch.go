package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
)

const (
	watchInterval     = 250 * time.Millisecond // at 100 MiB/s a tenth of the room that is kept free by default
	steadyAfter       = 10 * time.Second       // of health, a restart of the store has helped
	restartsMax       = 6                      // that did not help, until the node gives up
	restartBackoffMin = 500 * time.Millisecond
	restartBackoffMax = 5 * time.Second
)

// ErrGaveUp means that a node has stopped because its disk fails and restarts of its store did not help, or cannot.
var ErrGaveUp = errors.New("the node gave up")

// GaveUpError says what the node could not do, in the end. It is an ErrGaveUp.
type GaveUpError struct {
	Dir      string
	Restarts int
	Cause    error
}

func (e *GaveUpError) Error() string {
	if errors.Is(e.Cause, engine.ErrStuck) {
		return fmt.Sprintf("the node gave up: %v", e.Cause)
	}
	return fmt.Sprintf("the node gave up after %d restarts of its store in %s: %v: check the disk; what was acknowledged is recovered by the next start", e.Restarts, e.Dir, e.Cause)
}

// Is makes errors.Is(err, ErrGaveUp) true.
func (e *GaveUpError) Is(target error) bool { return target == ErrGaveUp }

func (e *GaveUpError) Unwrap() error { return e.Cause }

// store is the engine as the watch sees it.
type store interface {
	Probe() error
	Space() error
	Roomy() error
	Trouble() <-chan struct{}
	Restart(ctx context.Context) error
}

// watch looks after a node's disk. While room is short it closes the node's admission, before the engine meets the end of the disk. When the
// engine has failed nevertheless it restarts the engine's store, as soon as there is room; the shards then fence and go on.
type watch struct {
	dir       string
	store     store
	caches    func() error // a *SpaceError while the volume of segments and index is short of room
	admission *shard.Admission
	logger    *slog.Logger

	// Owned by run.
	restarts  int       // since the store was last steady
	restarted time.Time // the last one
	notBefore time.Time // the next one
}

// run returns nil when ctx ends, and a *GaveUpError when there is nothing more to be done.
func (w *watch) run(ctx context.Context) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		var next <-chan time.Time
		if wait := time.Until(w.notBefore); wait > 0 {
			next = time.After(wait)
		}
		select {
		case <-tick.C:
		case <-next:
		case <-w.store.Trouble():
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *watch) look(ctx context.Context) error {
	err := w.store.Probe()
	switch {
	case errors.Is(err, engine.ErrClosed):
		return nil
	case errors.Is(err, engine.ErrStuck): // a restart would wait for what is stuck
		return &GaveUpError{Dir: w.dir, Restarts: w.restarts, Cause: err}
	case err != nil:
		return w.recover(ctx, err)
	}
	if w.restarts > 0 && time.Since(w.restarted) >= steadyAfter {
		w.restarts = 0
	}
	w.admit()
	return nil
}

// admit opens or closes the admission according to the room that is left.
func (w *watch) admit() {
	if w.admission.Refused() == nil {
		if short := shortOf(w.store.Space(), w.caches()); short != nil {
			w.refuse(short)
		}
		return
	}
	if shortOf(w.store.Roomy(), w.caches()) == nil {
		w.admission.Admit()
		w.logger.Info("appends are taken again")
	}
}

func (w *watch) refuse(reason error) {
	if w.admission.Refused() == nil {
		w.logger.Error("appends are refused, reads go on", "reason", reason)
	}
	w.admission.Refuse(reason)
}

// recover restarts a store that has failed. The first restart is made in silence: what waits then hardly notices.
func (w *watch) recover(ctx context.Context, failure error) error {
	if short := shortOf(w.store.Space()); short != nil {
		w.refuse(short)
		return nil
	}
	if w.restarts > 0 || full(failure) {
		w.refuse(failure)
	}
	if time.Until(w.notBefore) > 0 {
		return nil
	}
	if w.restarts >= restartsMax && !full(failure) {
		return &GaveUpError{Dir: w.dir, Restarts: w.restarts, Cause: failure}
	}
	w.logger.Warn("the store of the engine is restarted", "reason", failure, "try", w.restarts+1)
	err := w.store.Restart(ctx)
	w.restarts++
	w.restarted = time.Now()
	w.notBefore = w.restarted.Add(min(restartBackoffMin<<min(w.restarts-1, 10), restartBackoffMax))
	if err != nil && ctx.Err() == nil {
		w.logger.Error("the store of the engine could not be restarted", "error", err, "after", time.Until(w.notBefore))
		w.refuse(err)
		return nil
	}
	w.admit()
	return nil
}

// shortOf is the first want of space among errors. A volume that cannot be measured is no reason to stop.
func shortOf(errs ...error) error {
	for _, err := range errs {
		if errors.Is(err, engine.ErrSpace) {
			return err
		}
	}
	return nil
}

// full says whether the engine failed for want of space, of which it may keep no more than the text.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || strings.Contains(err.Error(), syscall.ENOSPC.Error())
}
