//go:build linux

package broker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// cutPower ends the file system without writing anything more, not even its journal.
func (d *disk) cutPower() {
	d.t.Helper()
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
		d.cutPower()
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
