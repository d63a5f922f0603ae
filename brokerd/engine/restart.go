package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Restart gives up the store and recovers it from the disk, as a start does; connections stay. It is the way out of ErrDisabled, and tried
// again by the caller when it fails. What was acknowledged before is there after it, and every later frame has to be fenced again.
func (e *Engine) Restart(ctx context.Context) error {
	e.restarting.Lock()
	defer e.restarting.Unlock()
	if errors.Is(e.Health(), ErrClosed) {
		return ErrClosed
	}
	if err := e.shutdownStore(ctx); err != nil {
		return fmt.Errorf("restarting the engine: %w", err)
	}
	// The failure stays in place while the store is recovered: nobody may believe to lead a stream that is half there.
	e.failure.err.CompareAndSwap(nil, &errRestarting)
	// Whether the failure could be noted or not: a disk that takes no block may take no note either.
	if err := e.rewriteDoubtful(); err != nil {
		return fmt.Errorf("restarting the engine: %w", err)
	}
	if err := checkStart(e.cfg.Dir); errors.Is(err, ErrBlock) { // it would read that now, under the hands of those who wait
		return fmt.Errorf("restarting the engine: %w", e.setStuck(err))
	}
	if err := e.enableStore(); err != nil {
		_ = e.server.ShutdownJetStream() // it never fails on a single node; on others the next try tells
		return fmt.Errorf("restarting the engine: %w", err)
	}
	e.failure.err.Store(nil)
	return nil
}

var errRestarting = errors.New("it is being restarted")

// shutdownStore waits for the end of a shutdown that the server has begun by itself: its last step would undo a new store.
func (e *Engine) shutdownStore(ctx context.Context) error {
	if err := e.server.ShutdownJetStream(); err != nil {
		return err
	}
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for e.server.JetStreamConfig() != nil {
		select {
		case <-poll.C:
		case <-e.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// enableStore does what the server does at its start.
func (e *Engine) enableStore() error {
	err := e.server.EnableJetStream(&server.JetStreamConfig{
		StoreDir:   e.cfg.Dir,
		SyncAlways: !e.cfg.UnsafeNoSync,
		MaxMemory:  memoryBytesMax,
		MaxStore:   e.cfg.StoreBytesMax,
		Strict:     true,
		CompressOK: true,
	})
	if err != nil {
		return err
	}
	return e.account.EnableJetStream(nil, nil)
}

// rewriteDoubtful writes the newest block of each stream anew, after a write or sync of a block has failed. After a failed sync the
// kernel takes the pages for clean: what recovery reads may be in the page cache alone, and syncing the file again would not tell.
// Older blocks were synced before the next was begun.
func (e *Engine) rewriteDoubtful() error {
	streams, err := filepath.Glob(filepath.Join(e.cfg.Dir, server.JetStreamStoreDir, logAccount, "streams", "*"))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := rewriteNewest(stream); err != nil {
			return fmt.Errorf("writing the newest block of %s anew: %w", stream, err)
		}
	}
	e.log.to.Info("the newest blocks were written anew, because an earlier write had failed", "streams", len(streams))
	if err := os.Remove(e.failure.note); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func rewriteNewest(stream string) error {
	msgs := filepath.Join(stream, "msgs")
	blocks, err := listBlocks(msgs)
	if err != nil || len(blocks) == 0 {
		return err
	}
	path := blocks[len(blocks)-1].path
	tmp := filepath.Join(stream, "block.new") // beside msgs: in it the server would take it for a block
	if err := copySynced(path, tmp); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return errors.Join(syncDir(stream), syncDir(msgs))
}

func copySynced(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it is only read
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// block is a file of consecutive messages of one stream.
type block struct {
	path   string
	number uint64
}

// listBlocks returns a stream's blocks, the oldest first. A directory that is not there holds none.
func listBlocks(dir string) ([]block, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var blocks []block
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".blk")
		number, err := strconv.ParseUint(name, 10, 64)
		if ok && err == nil {
			blocks = append(blocks, block{filepath.Join(dir, entry.Name()), number})
		}
	}
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.number, b.number) })
	return blocks, nil
}
