package index

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// DB is the index of one shard on disk.
type DB struct {
	dir     string
	log     *slog.Logger
	lock    *pebble.Lock
	options *pebble.Options
	pebble  *pebble.DB

	// users is read-locked by every call that uses pebble; Close takes it whole.
	users  sync.RWMutex
	closed bool

	// The first error that makes the DB unfit, met by a call or by Pebble's background work; failed is closed then.
	failure atomic.Pointer[error]
	failed  chan struct{}

	// The watch stops Pebble on a DB that is unfit: it would try again and again. It ends after that, or with Close.
	closing chan struct{}
	watched chan struct{} // closed by the watch at its end
	stopped bool          // guarded by users

	compacted chan struct{} // holds a token when a compaction has ended since it was last taken
}

// Open opens the index in dir and creates it if there is none. ErrInUse means that it is open already, ErrDamaged that it must be dropped.
func Open(dir string, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	d := &DB{
		log:    cfg.Logger,
		failed: make(chan struct{}), closing: make(chan struct{}), watched: make(chan struct{}), compacted: make(chan struct{}, 1),
	}
	var err error
	if d.dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	cfg.fs = &disk{FS: cfg.fs, failed: func(err error) { _ = d.fail(err) }}
	if err := d.open(cfg); err != nil {
		return nil, err
	}
	go d.watch()
	return d, nil
}

func (d *DB) open(cfg Config) (err error) {
	if err := cfg.fs.MkdirAll(d.dir, 0o700); err != nil {
		return fmt.Errorf("creating the directory of the index: %w", err)
	}
	if d.lock, err = lockDir(d.dir, cfg.fs); err != nil {
		return err
	}
	if err := cfg.fs.Remove(cfg.fs.PathJoin(d.dir, unjoined)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("removing what a crash has left of a run: %w", err), d.lock.Close())
	}
	d.options = cfg.options(d)
	if d.pebble, err = pebble.Open(d.dir, d.options); err != nil {
		return errors.Join(damage(d.dir, err), d.lock.Close())
	}
	if err := d.unfit(); err != nil {
		return errors.Join(err, d.pebble.Close(), d.lock.Close())
	}
	return nil
}

func lockDir(dir string, fsys vfs.FS) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	if pathError := new(fs.PathError); errors.As(err, &pathError) {
		return nil, fmt.Errorf("locking the directory of the index: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInUse, dir, err)
	}
	return lock, nil
}

// Close closes the index, after the calls that are under way. Later calls return nil. An index that is unfit is closed as it is, and can be
// dropped: what was applied is on disk.
func (d *DB) Close() error {
	err := d.close()
	<-d.watched
	return err
}

func (d *DB) close() error {
	d.users.Lock()
	defer d.users.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	close(d.closing)
	if d.stopped {
		return d.lock.Close()
	}
	fit := d.unfit() == nil
	err := d.pebble.Close()
	if !fit {
		err = nil // it complains of what is known
	}
	return errors.Join(err, d.lock.Close())
}

func (d *DB) watch() {
	defer close(d.watched)
	select {
	case <-d.failed:
		d.stop()
	case <-d.closing:
	}
}

// stop closes Pebble after the calls that are under way. The lock on the directory stays until Close.
func (d *DB) stop() {
	d.users.Lock()
	defer d.users.Unlock()
	if d.closed {
		return
	}
	d.stopped = true
	if err := d.pebble.Close(); err != nil {
		d.log.Warn("stopping an unfit index", "dir", d.dir, "error", err)
	}
}

// Drop removes the index in dir, whatever state it is in. ErrInUse means that it is open.
func Drop(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockDir(dir, vfs.Default)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(dir), lock.Close()); err != nil {
		return fmt.Errorf("dropping the index: %w", err)
	}
	return nil
}

// use begins a call that uses pebble; the function that it returns ends it.
func (d *DB) use() (done func(), err error) {
	d.users.RLock()
	if d.closed {
		err = ErrClosed
	} else {
		err = d.unfit()
	}
	if err != nil {
		d.users.RUnlock()
		return nil, err
	}
	return d.users.RUnlock, nil
}

// unfit returns the error that made the DB unfit, if any.
func (d *DB) unfit() error {
	if err := d.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// fail makes the DB unfit. Only the first error counts. It may be called from anywhere, also by Pebble while it holds its locks.
func (d *DB) fail(err error) error {
	err = damage(d.dir, err)
	if d.failure.CompareAndSwap(nil, &err) {
		d.log.Error("the index is unfit", "error", err)
		close(d.failed)
	}
	return d.unfit()
}

// broken turns an error that a call met into one of this package. Damage makes the DB unfit; what the machine lacks may pass.
func (d *DB) broken(err error) error {
	if errors.Is(damage(d.dir, err), ErrDamaged) {
		return d.fail(err)
	}
	return damage(d.dir, err)
}
