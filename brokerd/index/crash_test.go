package index

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	crashDirEnv = "STRAND_INDEX_CRASH_DIR"
	crashSeed   = 11
	// Such a run does not fit in crashConfig's memtable.
	crashLargeRun = 1500
)

var crashConfig = Config{memTable: 256 << 10}

// TestKilledProcessLeavesAPrefix guards docs/adr/0003: Pebble calls recovery without a write-ahead log unsupported.
func TestKilledProcessLeavesAPrefix(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	dir := t.TempDir()
	want := newRebuilds(t, newScript(crashSeed, crashLargeRun), open(t, t.TempDir()))
	random := rand.New(rand.NewPCG(crashSeed, 1))
	lost, progress := false, uint64(0)
	for range 4 {
		acked := killAfter(t, dir, 1+random.IntN(12))
		db, err := Open(dir, crashConfig)
		if err != nil {
			t.Fatal(err)
		}
		at := want.check(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if at < progress {
			t.Fatalf("watermark %d, was %d before", at, progress)
		}
		lost, progress = lost || at < acked, at
		t.Logf("killed after run %d; the index is at %d", acked, at)
	}
	if !lost || progress == 0 {
		t.Errorf("runs lost: %t, watermark %d: the test proves nothing", lost, progress)
	}
}

// killAfter lets a child process apply runs and kills it some runs after its first. It returns the newest run that it told of.
func killAfter(t *testing.T, dir string, runs int) (acked uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashDirEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for range runs {
		if !lines.Scan() {
			break
		}
		if acked, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		acked, _ = strconv.ParseUint(lines.Text(), 10, 64)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	return acked
}

// TestCrashChild is the process that is killed.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDirEnv)
	if dir == "" {
		t.Skip("runs as the child of TestKilledProcessLeavesAPrefix")
	}
	db, err := Open(dir, crashConfig)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := db.Watermark()
	if err != nil {
		t.Fatal(err)
	}
	s := newScript(crashSeed, crashLargeRun)
	for s.seq < w.Seq {
		s.next(t)
	}
	for s.seq < 1000 {
		if s.seq%3 == 0 {
			s.playFlushed(t, db)
		} else {
			s.play(t, db)
		}
		fmt.Println(s.seq) // The parent reads it.
	}
}

// TestPowerLossLeavesAPrefix cuts the power of a file system in memory: what was not synced survives in parts.
func TestPowerLossLeavesAPrefix(t *testing.T) {
	const seed, runs = 5, 20
	want := newRebuilds(t, newScript(seed, crashLargeRun), open(t, t.TempDir()))
	random := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewCrashableMem()
	s := newScript(seed, crashLargeRun)
	db := openOn(t, disk)
	flushed, outcomes := uint64(0), map[uint64]bool{}
	for range runs {
		switch random.IntN(4) {
		case 0:
			s.play(t, db)
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
			flushed = s.seq
		case 1:
			s.playFlushed(t, db)
		default:
			s.play(t, db)
		}
		for _, percent := range []int{0, 50, 100} {
			after := openOn(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random}))
			at := want.check(t, after)
			if at < flushed || at > s.seq {
				t.Fatalf("watermark %d; flushed up to %d, applied up to %d", at, flushed, s.seq)
			}
			outcomes[s.seq-at] = true
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !outcomes[0] || len(outcomes) < 2 {
		t.Errorf("numbers of runs lost: %v: the test proves nothing", outcomes)
	}
}

func openOn(t *testing.T, disk vfs.FS) *DB {
	t.Helper()
	cfg := crashConfig
	cfg.fs = disk
	db, err := Open("/index", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
