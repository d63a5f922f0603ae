package broker

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
)

// fakeStore is an engine whose disk does what the test says.
type fakeStore struct {
	trouble chan struct{}

	mu           sync.Mutex
	broken       error
	short, tight error // Space and Roomy
	cures        func() error
	restarts     []time.Time
}

func (f *fakeStore) set(change func(f *fakeStore)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	select {
	case f.trouble <- struct{}{}:
	default:
	}
}

func (f *fakeStore) Probe() error { f.mu.Lock(); defer f.mu.Unlock(); return f.broken }
func (f *fakeStore) Space() error { f.mu.Lock(); defer f.mu.Unlock(); return f.short }
func (f *fakeStore) Roomy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Join(f.short, f.tight)
}
func (f *fakeStore) Trouble() <-chan struct{} { return f.trouble }

func (f *fakeStore) Restart(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restarts = append(f.restarts, time.Now())
	if err := f.cures(); err != nil {
		return err
	}
	f.broken = nil
	return nil
}

// watched runs a watch over a fake store; the function it returns gives what run returned, after the test has ended it.
func watched(t *testing.T) (f *fakeStore, a *shard.Admission, ended func() error) {
	f = &fakeStore{trouble: make(chan struct{}, 1), cures: func() error { return nil }}
	a = &shard.Admission{}
	w := &watch{dir: "data", store: f, caches: func() error { return nil }, admission: a, logger: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	return f, a, func() error {
		stop()
		return <-done
	}
}

// after lets time pass and the watch come to rest.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestWatchClosesTheAdmissionBeforeTheDiskIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, ended := watched(t)
		after(time.Minute)
		if err := a.Refused(); err != nil {
			t.Errorf("with room: %v", err)
		}
		short := &engine.SpaceError{Dir: "data", Free: 1, FreeMin: 100}
		f.mu.Lock()
		f.short = short // nobody tells: the watch has to look
		f.mu.Unlock()
		after(watchInterval)
		if !errors.Is(a.Refused(), engine.ErrSpace) {
			t.Errorf("%s after the disk was short: %v", watchInterval, a.Refused())
		}
		f.set(func(f *fakeStore) { f.short, f.tight = nil, short })
		after(time.Minute)
		if a.Refused() == nil {
			t.Error("appends were let in without anything to spare")
		}
		f.set(func(f *fakeStore) { f.tight = nil })
		after(watchInterval)
		if err := a.Refused(); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if len(f.restarts) != 0 {
			t.Errorf("a healthy store was restarted %d times", len(f.restarts))
		}
		if err := ended(); err != nil {
			t.Error(err)
		}
	})
}

// TestWatchGivesUpAStuckStore: no restart is tried, which would wait for what is stuck.
func TestWatchGivesUpAStuckStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _, ended := watched(t)
		f.set(func(f *fakeStore) {
			f.broken = &engine.StuckError{Dir: "data", Cause: errors.New("block 1.blk at byte 7")}
		})
		synctest.Wait()
		gaveUp := new(GaveUpError)
		if err := ended(); !errors.As(err, &gaveUp) || !errors.Is(err, engine.ErrStuck) || !strings.Contains(err.Error(), "1.blk at byte 7") {
			t.Errorf("a stuck store: %v", err)
		}
		if len(f.restarts) > 0 {
			t.Errorf("a stuck store was restarted %d times", len(f.restarts))
		}
	})
}

func TestWatchRestartsAStoreThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, ended := watched(t)
		for range 20 { // each one helps: they do not add up
			f.set(func(f *fakeStore) { f.broken = engine.ErrDisabled })
			synctest.Wait()
			if a.Refused() != nil || f.Probe() != nil {
				t.Fatalf("after a restart that helped: refused %v, store %v", a.Refused(), f.Probe())
			}
			after(steadyAfter + watchInterval)
		}
		if len(f.restarts) != 20 {
			t.Errorf("%d restarts for 20 failures", len(f.restarts))
		}
		if err := ended(); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchWaitsForRoomBeforeItRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, ended := watched(t)
		f.set(func(f *fakeStore) {
			f.broken = &engine.DisabledError{Cause: syscall.ENOSPC}
			f.short = &engine.SpaceError{Dir: "data", Free: 1, FreeMin: 100}
		})
		synctest.Wait()
		if !errors.Is(a.Refused(), engine.ErrSpace) {
			t.Errorf("refused: %v", a.Refused())
		}
		after(time.Hour)
		if len(f.restarts) != 0 {
			t.Errorf("%d restarts on a full disk", len(f.restarts))
		}
		f.set(func(f *fakeStore) { f.short = nil })
		after(2 * watchInterval)
		if len(f.restarts) != 1 || a.Refused() != nil {
			t.Errorf("with room again: %d restarts, refused %v", len(f.restarts), a.Refused())
		}
		if err := ended(); err != nil {
			t.Error(err)
		}
	})
}

func TestWatchGivesUpOnADiskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, ended := watched(t)
		f.set(func(f *fakeStore) {
			f.broken = &engine.DisabledError{Cause: syscall.EIO}
			f.cures = func() error { return syscall.EIO }
		})
		synctest.Wait()
		if a.Refused() == nil {
			t.Error("appends are taken by a node that cannot store")
		}
		after(time.Hour)
		gaveUp := new(GaveUpError)
		if err := ended(); !errors.Is(err, ErrGaveUp) || !errors.Is(err, syscall.EIO) || !errors.As(err, &gaveUp) || gaveUp.Restarts != restartsMax {
			t.Errorf("run: %v", err)
		}
		for i, at := range f.restarts[1:] {
			if pause := at.Sub(f.restarts[i]); pause < restartBackoffMin || pause > restartBackoffMax+watchInterval {
				t.Errorf("restart %d came %s after the one before", i+1, pause)
			}
		}
	})
}

// TestWatchNeverGivesUpOnAFullDisk: not even when the free space that the volume reports is not to be had.
func TestWatchNeverGivesUpOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, ended := watched(t)
		f.set(func(f *fakeStore) {
			f.broken = &engine.DisabledError{Cause: syscall.ENOSPC}
			f.cures = func() error { return syscall.ENOSPC }
		})
		after(time.Hour)
		if a.Refused() == nil {
			t.Error("appends are taken by a node that cannot store")
		}
		f.set(func(f *fakeStore) { f.cures = func() error { return nil } })
		after(restartBackoffMax + watchInterval)
		if a.Refused() != nil {
			t.Errorf("with room again: %v", a.Refused())
		}
		if err := ended(); err != nil {
			t.Error(err)
		}
	})
}
