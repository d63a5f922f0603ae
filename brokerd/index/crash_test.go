package index

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const (
	crashDirEnv   = "STRAND_INDEX_CRASH_DIR"
	crashPointEnv = "STRAND_INDEX_CRASH_POINT"
	crashSeed     = 11
	crashLargeRun = 1500 // entries
)

// crashPoint is a change of the directory before which a process is killed.
type crashPoint struct {
	what   errorfs.OpKind
	name   string // of the file begins with this; "/" is the directory
	nth    int32  // such change of a run
	large  bool   // in a large run
	joined bool   // the run is part of the index by then
	left   bool   // and its table still lies there under its first name
}

var crashPoints = []crashPoint{
	{what: errorfs.OpCreate, name: unjoined, nth: 1},
	{what: errorfs.OpFileWrite, name: unjoined, nth: 1, left: true},
	{what: errorfs.OpFileWrite, name: unjoined, nth: 5, large: true, left: true},
	{what: errorfs.OpFileSyncData, name: unjoined, nth: 1, large: true, left: true},
	{what: errorfs.OpLink, name: unjoined, nth: 1, left: true},
	{what: errorfs.OpFileSync, name: "/", nth: 1, large: true, left: true},
	{what: errorfs.OpFileWrite, name: "MANIFEST-", nth: 1, left: true},
	{what: errorfs.OpFileSync, name: "MANIFEST-", nth: 1, large: true, left: true, joined: true}, // a process that is killed loses nothing that it wrote
	{what: errorfs.OpRemove, name: unjoined, nth: 1, left: true, joined: true},
	{what: errorfs.OpRemove, name: unjoined, nth: 1, large: true, left: true, joined: true},
	{what: errorfs.OpCreate, name: "0", nth: 1}, // a table of a compaction
}

// TestKilledProcessLosesNoRun guards docs/adr/0003. It kills a process before each step of a run, and goes on with what is left.
func TestKilledProcessLosesNoRun(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	dir := t.TempDir()
	want := newRebuilds(t, newScript(crashSeed, crashLargeRun), open(t, t.TempDir()))
	for number, p := range crashPoints {
		applied := killAt(t, dir, number)
		if left := leftOver(t, dir); left != p.left && p.name != "0" {
			t.Errorf("point %d: a table that is not part of the index lies there: %t", number, left)
		}
		db, err := Open(dir, Config{})
		if err != nil {
			t.Fatalf("point %d: %v", number, err)
		}
		if leftOver(t, dir) {
			t.Errorf("point %d: what the crash left still lies there", number)
		}
		at := want.check(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if p.joined {
			applied++
		}
		if at != applied && (p.name != "0" || at != applied+1) {
			t.Errorf("point %d: the index is at run %d, want %d", number, at, applied)
		}
	}
}

func leftOver(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, unjoined))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// killAt lets a child process apply runs until a point. It returns the newest run that was applied.
func killAt(t *testing.T, dir string, point int) (applied uint64) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashDirEnv+"="+dir, crashPointEnv+"="+strconv.Itoa(point))
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if applied, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatalf("point %d: %s", point, lines.Text())
		}
	}
	if err := child.Wait(); err == nil {
		t.Fatalf("point %d: the child ended by itself", point)
	}
	return applied
}

// TestCrashChild is the process that is killed.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDirEnv)
	if dir == "" {
		t.Skip("runs as the child of TestKilledProcessLosesNoRun")
	}
	number, err := strconv.Atoi(os.Getenv(crashPointEnv))
	if err != nil {
		t.Fatal(err)
	}
	point := crashPoints[number]
	var left atomic.Int32 // such changes that are let through, and the one that is not
	kill := errorfs.InjectorFunc(func(op errorfs.Op) error {
		name := filepath.Base(op.Path)
		if op.Path == dir {
			name = "/"
		}
		if op.Kind == point.what && strings.HasPrefix(name, point.name) && left.Add(-1) == 0 {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				panic(err)
			}
			select {}
		}
		return nil
	})
	db, err := Open(dir, Config{fs: errorfs.Wrap(vfs.Default, kill)})
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := db.Watermark()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(w.Seq) // The parent reads it.
	s := newScript(crashSeed, crashLargeRun)
	for s.seq < w.Seq {
		s.next(t)
	}
	for s.seq < w.Seq+20 {
		tail, rows, mark := s.next(t)
		if s.seq > w.Seq+2 && (tail.Len() == crashLargeRun) == point.large {
			left.Store(point.nth)
		}
		if err := db.Apply(tail, rows, mark); err != nil {
			t.Fatal(err)
		}
		fmt.Println(s.seq)
	}
}

// TestPowerLossLeavesAPrefix cuts the power of a file system in memory before some of the changes that runs make: what was not synced survives in parts.
func TestPowerLossLeavesAPrefix(t *testing.T) {
	const seed, runs = 5, 20
	want := newRebuilds(t, newScript(seed, crashLargeRun), open(t, t.TempDir()))
	type loss struct {
		applied uint64 // runs that were applied before it
		disk    vfs.FS
	}
	var (
		mu      sync.Mutex
		losses  []loss
		applied uint64
		random  = rand.New(rand.NewPCG(seed, 1))
		disk    = vfs.NewCrashableMem()
	)
	lose := func() {
		percent := 50 * random.IntN(3)
		losses = append(losses, loss{applied, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: random})})
	}
	sometimes := errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		joined := op.Kind == errorfs.OpRemove && filepath.Base(op.Path) == unjoined
		if joined || op.Kind.ReadOrWrite() == errorfs.OpIsWrite && random.IntN(5) == 0 {
			lose()
		}
		return nil
	})
	s := newScript(seed, crashLargeRun)
	db := openOn(t, errorfs.Wrap(disk, sometimes))
	outcomes := map[uint64]int{}
	for range runs {
		mu.Lock()
		losses = nil
		mu.Unlock()
		s.play(t, db)
		mu.Lock()
		applied = s.seq
		lose()
		met := losses
		mu.Unlock()
		for _, l := range met {
			after := openOn(t, l.disk)
			at := want.check(t, after)
			if at < l.applied || at > s.seq {
				t.Fatalf("watermark %d; applied up to %d, then up to %d", at, l.applied, s.seq)
			}
			outcomes[at-l.applied]++
			if err := after.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("runs that were under way and survived: %v", outcomes)
	if outcomes[0] <= runs || outcomes[1] < runs {
		t.Errorf("runs that were under way and survived: %v: the test proves nothing", outcomes)
	}
}

func openOn(t *testing.T, disk vfs.FS) *DB {
	t.Helper()
	db, err := Open("/index", Config{fs: disk})
	if err != nil {
		t.Fatal(err)
	}
	return db
}
