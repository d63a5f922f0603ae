//go:build linux

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// disk is an ext4 file system in a file that can lose its power: what was not synced is gone.
type disk struct {
	t            *testing.T
	image, mount string
}

// newDisk makes and mounts one. It takes root and loop devices: where there are none the test cannot say anything, and says so.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT EXERCISED: losing power takes root, to mount a file system of its own")
	}
	d := &disk{t: t, image: filepath.Join(t.TempDir(), "disk.img"), mount: t.TempDir()}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 512<<20); err != nil {
		t.Fatal(err)
	}
	for _, step := range [][]string{{"mkfs.ext4", "-q", "-F", d.image}, {"mount", "-o", "loop", d.image, d.mount}} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Skipf("NOT EXERCISED: this machine cannot mount a file system of the test's: %s: %v: %s", step[0], err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.mount).Run() })
	return d
}

// cutPower stops a process for ever, and ends the file system without writing anything more, not even its journal. As when power is lost the process is not there to
// see that: the kernel (6.18) tells some whose sync is under way meanwhile that it has succeeded, and loses what they wrote.
func (d *disk) cutPower(p *process) {
	d.t.Helper()
	p.halt(d.t)
	root, err := os.Open(d.mount)
	if err != nil {
		d.t.Fatal(err)
	}
	defer root.Close()
	const ext4Shutdown, noLogFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	flags := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, root.Fd(), ext4Shutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		d.t.Skipf("NOT EXERCISED: this kernel cannot shut a file system down: %v", errno)
	}
}

// halt returns when no thread of the process runs any more.
func (p *process) halt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-look.C {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			t.Fatalf("its threads: %v", err)
		}
		if !slices.ContainsFunc(threads, runs) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a thread does not stop within 10 s")
		}
	}
}

// runs tells by the file stat of a thread whether it is not stopped.
func runs(stat string) bool {
	text, err := os.ReadFile(stat)
	if err != nil {
		return false // it has ended
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "T")
}

// powerOn mounts what is left.
func (d *disk) powerOn() {
	d.t.Helper()
	for _, step := range [][]string{{"umount", d.mount}, {"mount", "-o", "loop", d.image, d.mount}} {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			d.t.Fatalf("%v: %v: %s", step, err, out)
		}
	}
}

// TestPowerLoss cuts the power of a node's disk under load. What was acknowledged is there afterwards, and the index equals the log.
func TestPowerLoss(t *testing.T) {
	d := newDisk(t)
	dir := filepath.Join(d.mount, "data")
	p := spawn(t, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(p.url, "nats://")
	client, topic := dial(t, p.url)
	a := newAcked()
	for round := range 3 {
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() { a.write(ctx, client, topic, 100*round+i) })
		}
		for range 300 {
			select {
			case <-a.progress:
			case <-time.After(30 * time.Second):
				t.Fatal("no append was acknowledged within 30 s")
			}
		}
		canary := filepath.Join(d.mount, fmt.Sprintf("canary-%d", round))
		if err := os.WriteFile(canary, []byte("not synced"), 0o600); err != nil {
			t.Fatal(err)
		}
		d.cutPower(p)
		p.kill(t)
		stop()
		group.Wait()
		d.powerOn()
		if data, err := os.ReadFile(canary); !errors.Is(err, os.ErrNotExist) && len(data) > 0 {
			t.Fatalf("the canary survived: the power was not cut, the round proves nothing (%v)", err)
		}
		p = spawn(t, dir, listen)
	}
	t.Logf("%d events acknowledged, %d indefinite", len(a.byID), len(a.indefinite))
	a.check(t, client, topic)
	p.kill(t)
}
