//go:build linux

package broker_test

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// failSyncs makes every sync of a process fail, without anything being synced, until the function that it returns is called.
func failSyncs(t *testing.T, pid int) (heal func()) {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT EXERCISED: a failing disk takes strace, to make syncs fail")
	}
	cmd := exec.Command(path, "-f", "-o", "/dev/null", "-p", strconv.Itoa(pid), "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(stderr)
	attached := in.Scan() && strings.Contains(in.Text(), "attached")
	go func() { // it must not block on what it has to say
		for in.Scan() {
		}
	}()
	heal = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // strace then lets go of the process
		_ = cmd.Wait()
	})
	t.Cleanup(heal)
	if !attached {
		t.Skipf("NOT EXERCISED: strace cannot make syncs fail here: %s", in.Text())
	}
	return heal
}

// TestFailedSyncs lets the syncs of a node under load fail for a while, cuts the power of its disk after they work again, and looks for what was
// acknowledged: also what the node found written, and acknowledged, after a sync had failed, has to be on the disk and not in the page cache alone.
func TestFailedSyncs(t *testing.T) {
	d := newDisk(t)
	dir := filepath.Join(d.mount, "data")
	p := spawn(t, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(p.url, "nats://")
	client, topic := dial(t, p.url)
	a := newAcked()
	for round := range full(2, 20) {
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for i := range 8 {
			group.Go(func() { a.write(ctx, client, topic, 100*round+i) })
		}
		for range 50 {
			<-a.progress
		}
		heal := failSyncs(t, p.cmd.Process.Pid)
		failing := time.Now()
		var refusal error
		for refusal == nil {
			if time.Since(failing) > 10*time.Second {
				t.Fatal("syncs fail and appends do not")
			}
			_, refusal = client.Append(t.Context(), topic, oneEvent("refused-1", commitlog.Any))
		}
		if !errors.Is(refusal, commitlog.ErrNoStorage) && !errors.Is(refusal, commitlog.ErrIndefinite) {
			t.Errorf("refused with %v", refusal)
		}
		for len(a.progress) > 0 {
			<-a.progress
		}
		select {
		case <-a.progress:
			t.Error("an append was acknowledged while no sync succeeds")
		case <-time.After(time.Second):
		}
		t.Logf("round %d: refused %s after syncs began to fail: %v", round, time.Since(failing).Round(time.Millisecond), refusal)
		heal()
		healed := time.Now()
		for range 50 {
			select {
			case <-a.progress:
			case <-time.After(30 * time.Second):
				t.Fatal("appends are not taken again within 30 s of a disk that works")
			}
		}
		t.Logf("round %d: 50 appends %s after syncs worked again", round, time.Since(healed).Round(time.Millisecond))
		d.cutPower(p)
		p.kill(t)
		stop()
		group.Wait()
		d.powerOn()
		p = spawn(t, dir, listen)
	}
	t.Logf("%d events acknowledged, %d indefinite, %d refused", len(a.byID), len(a.indefinite), len(a.refused))
	a.skip = "refused-1"
	a.check(t, client, topic)
	p.kill(t)
}
