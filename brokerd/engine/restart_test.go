package engine_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
)

// smallDisk mounts a small file system.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT EXERCISED: a full disk takes root, to mount a small file system")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "strand-test", dir).CombinedOutput(); err != nil {
		t.Skipf("NOT EXERCISED: this machine cannot mount a file system of the test's: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fill takes all the room that is left, and returns what gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func awaitTrouble(t *testing.T, e *engine.Engine) {
	t.Helper()
	select {
	case <-e.Trouble():
	case <-time.After(10 * time.Second):
		t.Fatal("the engine failed and did not tell")
	}
}

// TestRestartAfterTheDiskWasFull: the server meets a full disk, says nothing to the publisher, and takes messages again once there was room and
// a restart. What it acknowledged is there.
func TestRestartAfterTheDiskWasFull(t *testing.T) {
	dir := smallDisk(t, "24m")
	e := start(t, engine.Config{Dir: filepath.Join(dir, "log"), FreeBytesMin: 1})
	create(t, e, stream("a"))
	create(t, e, stream("b"))
	for round := range uint64(3) {
		s, other := newSession(t, e, "a"), newSession(t, e, "b")
		data := bytes.Repeat([]byte{byte('a' + round)}, 100_000)
		last := 5 * (round + 1)
		s.fill(last-4, last, data)
		free := fill(t, dir)
		s.send(last, data) // the first may still fit into what the block has taken already
		s.send(last+1, data)
		awaitTrouble(t, e)
		err := e.Probe()
		if disabled := new(engine.DisabledError); !errors.Is(err, engine.ErrDisabled) || !errors.As(err, &disabled) {
			t.Fatalf("Probe on a full disk: %v", err)
		}
		contains(t, err, "no space left", "restarted")
		if e.IsLeader("a") || e.IsLeader("b") {
			t.Error("an engine that cannot write leads")
		}
		free()
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := e.Probe(); err != nil {
			t.Fatalf("Probe after the restart: %v", err)
		}
		if _, found, err := e.Bounds(t.Context(), "a"); err != nil || found < last {
			t.Fatalf("%d messages were acknowledged, %d are left: %v", last, found, err)
		}
		var seq uint64
		for m, err := range e.Read(t.Context(), "a", 1, last) {
			if err != nil {
				t.Fatal(err)
			}
			if want := byte('a' + (m.Seq-1)/5); len(m.Data) != 100_000 || m.Data[0] != want {
				t.Errorf("sequence %d holds %d bytes of %q, want %q", m.Seq, len(m.Data), m.Data[0], want)
			}
			seq = m.Seq
		}
		if seq != last {
			t.Errorf("read up to %d of %d", seq, last)
		}
		if _, found, err := e.Bounds(t.Context(), "a"); err == nil && found > last {
			// Written and not acknowledged: that is no loss. Go on behind it.
			if err := e.DeleteStream(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			create(t, e, stream("a"))
			newSession(t, e, "a").fill(1, last, data)
		}
		other.fill(round+1, round+1, []byte("x"))
	}
}

func TestRestartOfAHealthyEngine(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	for seq := uint64(1); seq <= 3; seq++ {
		s.fill(seq, seq, []byte("x"))
		if err := e.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, e)
	if err := e.Restart(t.Context()); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("Restart after Close: %v", err)
	}
}

// TestDoubtfulBlocksAreWrittenAnew: after a write that failed the next start does not trust the page cache.
func TestDoubtfulBlocksAreWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	e := start(t, engine.Config{Dir: dir})
	create(t, e, stream("a"))
	newSession(t, e, "a").fill(1, 3, []byte("x"))
	stop(t, e)
	block := filepath.Join(dir, "jetstream", "LOG", "streams", "a", "msgs", "1.blk")
	before, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(dir, "doubtful")
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e = start(t, engine.Config{Dir: dir})
	after, err := os.Stat(block)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) || before.Size() != after.Size() {
		t.Error("the block is the one that may not be on the disk")
	}
	if _, err := os.Stat(note); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the note of a failure is left: %v", err)
	}
	if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != 3 {
		t.Errorf("%d of 3 messages: %v", last, err)
	}
}
