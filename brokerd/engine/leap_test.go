package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
)

// blocksOf are the files of a stream, the oldest first; their names have one digit in the tests.
func blocksOf(t testing.TB, dir, stream string) []string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "LOG", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 || len(blocks) > 9 {
		t.Fatalf("%d blocks of stream %s: %v", len(blocks), stream, err)
	}
	return blocks
}

// flipSequence flips a bit of the sequence of the nth record of a block, and returns where the record begins and what its sequence was.
func flipSequence(t testing.TB, path string, nth, bit int) (pos int64, seq uint64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	var head [12]byte
	for n := range nth + 1 {
		if n > 0 {
			pos += int64(binary.LittleEndian.Uint32(head[:]) &^ (1 << 31))
		}
		if _, err := f.ReadAt(head[:], pos); err != nil {
			t.Fatal(err)
		}
	}
	seq = binary.LittleEndian.Uint64(head[4:])
	if _, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, seq^1<<bit), pos+4); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil { // damage does not tell when it happened
		t.Fatal(err)
	}
	return pos, seq
}

// filledStream is the directory of a closed engine with one stream of three blocks.
func filledStream(t testing.TB) (dir string, last uint64) {
	t.Helper()
	dir = t.TempDir()
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	create(t, e, stream("a"))
	last = 200
	newSession(t, e, "a").fill(1, last, bytes.Repeat([]byte("x"), 100_000))
	stop(t, e)
	if n := len(blocksOf(t, dir, "a")); n < 3 {
		t.Fatalf("%d blocks: the test proves little", n)
	}
	eventually(t, "the stream is so old that the server looks for no duplicates in it", func() bool {
		info, err := os.Stat(blocksOf(t, dir, "a")[1])
		return err != nil || time.Since(info.ModTime()) > time.Second
	})
	return dir, last
}

// readAll is the error that ends a read.
func readAll(ctx context.Context, e *engine.Engine, from, to uint64) (end error) {
	for _, err := range e.Read(ctx, "a", from, to) {
		end = err
	}
	return end
}

// within fails the test when something takes longer than the promise.
func within(t testing.TB, d time.Duration, what string, do func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	do(ctx)
	if ctx.Err() != nil {
		t.Fatalf("%s: not within %v", what, d)
	}
}

// TestLeapIsMetBeforeTheServer: a sequence that a flipped bit has moved far ahead is told, with its place, before the server counts up to it.
func TestLeapIsMetBeforeTheServer(t *testing.T) {
	from, last := filledStream(t)
	for _, at := range []struct{ block, record, bit int }{{0, 5, 61}, {1, 0, 40}, {1, 3, 24}, {1, 60, 50}} {
		dir := filepath.Join(t.TempDir(), "log")
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		for _, path := range blocksOf(t, dir, "a") {
			if err := os.Chtimes(path, time.Now(), time.Now().Add(-time.Minute)); err != nil {
				t.Fatal(err)
			}
		}
		path := blocksOf(t, dir, "a")[at.block]
		pos, seq := flipSequence(t, path, at.record, at.bit)
		e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
		told := func(what string, err error) {
			t.Helper()
			block := new(engine.BlockError)
			if at.record == 0 { // the server looks at the first one itself, and drops the block
				if !errors.Is(err, engine.ErrGap) {
					t.Errorf("%+v: %s: %v", at, what, err)
				}
				return
			}
			if !errors.Is(err, engine.ErrBlock) || !errors.As(err, &block) || block.Path != path || block.Pos != pos || block.Seq != seq {
				t.Errorf("%+v: %s does not name byte %d of %s and sequence %d: %v", at, what, pos, path, seq, err)
				return
			}
			contains(t, err, "put the file back", "in a cluster")
		}
		within(t, 2*time.Second, "reading and purging", func(ctx context.Context) {
			told("Read", readAll(ctx, e, 1, last))
			_, err := e.ReadOne(ctx, "a", seq)
			told("ReadOne", err)
			if at.record > 0 {
				told("Purge", e.Purge(ctx, "a", seq))
			}
		})
		stop(t, e)
	}
}

// TestLeapSparesOtherReads: what lies in other blocks than the damaged one is read.
func TestLeapSparesOtherReads(t *testing.T) {
	dir, last := filledStream(t)
	_, seq := flipSequence(t, blocksOf(t, dir, "a")[1], 3, 50)
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	for _, r := range [][2]uint64{{1, seq - 10}, {last - 10, last}} {
		if err := readAll(t.Context(), e, r[0], r[1]); err != nil {
			t.Errorf("reading %d to %d: %v", r[0], r[1], err)
		}
	}
	newSession(t, e, "a").fill(last+1, last+3, []byte("x"))
}

// TestLeapBesideAnEmptyBlock: a block that was just begun does not hide the one before it.
func TestLeapBesideAnEmptyBlock(t *testing.T) {
	dir, last := filledStream(t)
	blocks := blocksOf(t, dir, "a")
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	flipSequence(t, blocks[2], 3, countsForSeconds)
	if err := os.WriteFile(filepath.Join(filepath.Dir(blocks[2]), "4.blk"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := e.ReadOne(t.Context(), "a", last); !errors.Is(err, engine.ErrBlock) {
		t.Errorf("reading the newest message: %v", err)
	}
}

// TestStartMeetsLeaps: what the server reads by itself when it starts is walked before.
func TestStartMeetsLeaps(t *testing.T) {
	refused := func(cfg engine.Config, path string, pos int64) {
		t.Helper()
		within(t, 2*time.Second, "starting", func(ctx context.Context) {
			block := new(engine.BlockError)
			if e, err := engine.Start(ctx, cfg); err == nil {
				stop(t, e)
				t.Errorf("an engine starts on %s, damaged at byte %d", path, pos)
			} else if !errors.Is(err, engine.ErrStart) || !errors.As(err, &block) || block.Path != path || block.Pos != pos {
				t.Errorf("%s, damaged at byte %d: %v", path, pos, err)
			}
		})
	}
	dir, last := filledStream(t)
	path := blocksOf(t, dir, "a")[2]
	pos, _ := flipSequence(t, path, 2, 50)
	refused(engine.Config{Dir: dir}, path, pos)

	dir, _ = filledStream(t)
	path = blocksOf(t, dir, "a")[1]
	pos, _ = flipSequence(t, path, 3, 50)
	e := start(t, engine.Config{Dir: dir}) // nothing that the server reads by itself
	newSession(t, e, "a").fill(last+1, last+1, []byte("x"))
	stop(t, e)
	now := time.Now()
	for _, recent := range blocksOf(t, dir, "a")[1:] { // now it would look for duplicates there
		if err := os.Chtimes(recent, now, now); err != nil {
			t.Fatal(err)
		}
	}
	refused(engine.Config{Dir: dir}, path, pos)

	// What the nodes of a cluster agreed on lies in blocks, too.
	whole, _ := filledStream(t)
	store := filepath.Join(dir, "jetstream")
	group := filepath.Join(store, "$SYS", "_js_", "_meta_", "msgs")
	if err := os.RemoveAll(filepath.Join(store, "LOG", "streams", "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(group, os.DirFS(filepath.Join(whole, "jetstream", "LOG", "streams", "a", "msgs"))); err != nil {
		t.Fatal(err)
	}
	pos, _ = flipSequence(t, filepath.Join(group, "1.blk"), 2, 50)
	clustered := engine.Config{Dir: dir, Name: "node-1", Cluster: &engine.ClusterConfig{Name: "test", Listen: ports(t, 1)[0], Secret: "secret"}}
	refused(clustered, filepath.Join(group, "1.blk"), pos)
	_, err := engine.Start(t.Context(), clustered)
	contains(t, err, "empty the log directory")
}

// TestCopyIsMadeAgain takes the way out that the error names: a copy whose directory was removed is filled by the other nodes.
func TestCopyIsMadeAgain(t *testing.T) {
	const last = 300
	configs := clusterOf3(t)
	engines := startEngines(t, configs)
	replicated := stream("a")
	replicated.Replicas = len(configs)
	create(t, engines[0], replicated)
	leader := leaderOf(t, engines, "a")
	newSession(t, engines[leader], "a").fill(1, last, bytes.Repeat([]byte("x"), 50_000))
	damaged := (leader + 1) % len(configs)
	dir := configs[damaged].Dir
	eventually(t, "the copy is complete", func() bool { return engines[damaged].IsCurrent("a") })
	stop(t, engines[damaged])
	blocks := blocksOf(t, dir, "a")
	flipSequence(t, blocks[len(blocks)-1], 1, 50)
	if _, err := engine.Start(t.Context(), configs[damaged]); !errors.Is(err, engine.ErrBlock) {
		t.Fatalf("a damaged copy: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "jetstream", "LOG", "streams", "a")); err != nil {
		t.Fatal(err)
	}
	startAgain := func() *engine.Engine {
		t.Helper()
		e := start(t, configs[damaged])
		if err := e.AwaitCluster(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.AwaitCopy(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the copy is there again", func() bool {
			n := uint64(0)
			for m, err := range engine.Inspect(dir, "a") {
				if err != nil || m.Seq != n+1 {
					return false
				}
				n++
			}
			return n == last && e.IsCurrent("a")
		})
		return e
	}
	stop(t, startAgain())

	// What the stream is, the nodes know from each other.
	path := filepath.Join(dir, "jetstream", "LOG", "streams", "a", "meta.inf")
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	startAgain()
}

// TestStuckIsNoticed damages a block while the engine runs, just after it was walked: the server reads it, and counts, here for seconds only. The read
// says why it stands still, and so does the probe that a node asks every now and then.
func TestStuckIsNoticed(t *testing.T) {
	dir, last := filledStream(t)
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	if err := readAll(t.Context(), e, 1, last); err != nil {
		t.Fatal(err)
	}
	path := blocksOf(t, dir, "a")[1]
	pos, seq := flipSequence(t, path, 3, countsForSeconds)
	within(t, 5*time.Second, "reading", func(ctx context.Context) {
		block := new(engine.BlockError)
		err := readAll(ctx, e, seq, last)
		if !errors.Is(err, engine.ErrStuck) || !errors.As(err, &block) || block.Path != path || block.Pos != pos {
			t.Errorf("reading a block that was damaged meanwhile: %v", err)
		}
	})
	select {
	case <-e.Trouble():
	default:
		t.Error("the engine is stuck and does not tell")
	}
	if err := e.Probe(); !errors.Is(err, engine.ErrStuck) {
		t.Errorf("Probe of an engine that is stuck: %v", err)
	}
}

// TestStuckAppendIsNoticed damages the newest block while the engine runs and nothing is written. The server reads it before it appends, and then
// says nothing to anybody: the probe finds out why.
func TestStuckAppendIsNoticed(t *testing.T) {
	dir, last := filledStream(t)
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	path := blocksOf(t, dir, "a")[2]
	pos, _ := flipSequence(t, path, 3, countsForSeconds)
	runtime.GC() // the server lets go of what it read at its start
	runtime.GC()
	newSession(t, e, "a").send(last, []byte("x"))
	var err error
	within(t, 5*time.Second, "probing", func(context.Context) {
		eventually(t, "the probe fails", func() bool {
			err = e.Probe()
			return err != nil
		})
	})
	block := new(engine.BlockError)
	if !errors.Is(err, engine.ErrStuck) || !errors.As(err, &block) || block.Path != path || block.Pos != pos {
		t.Errorf("Probe of an engine that reads what was damaged: %v", err)
	}
}

// TestRestartMeetsLeaps: a restart of the store reads what a start reads.
func TestRestartMeetsLeaps(t *testing.T) {
	dir, _ := filledStream(t)
	e := start(t, engine.Config{Dir: dir, UnsafeNoSync: true})
	path := blocksOf(t, dir, "a")[2]
	pos, _ := flipSequence(t, path, 3, 50)
	err := e.Restart(t.Context())
	block := new(engine.BlockError)
	if !errors.Is(err, engine.ErrStuck) || !errors.As(err, &block) || block.Path != path || block.Pos != pos {
		t.Errorf("Restart: %v", err)
	}
	if err := e.Probe(); !errors.Is(err, engine.ErrStuck) {
		t.Errorf("Probe after that: %v", err)
	}
}
