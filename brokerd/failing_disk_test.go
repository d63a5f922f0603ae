//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/strandlog/strand/commitlog"
)

// TestServeGivesUpOnADiskThatFails: when no sync succeeds any more, serve restarts its store a few times, says so, and exits with a code of its own.
func TestServeGivesUpOnADiskThatFails(t *testing.T) {
	if os.Getenv("STRAND_TORTURE") == "" {
		t.Skip("it takes half a minute: make torture runs it")
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("NOT EXERCISED: a failing disk takes strace, to make syncs fail")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "brokerd.yaml"), []byte("data_dir: data\nlisten: 127.0.0.1:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, dir)
	id := appendEvent(t, p.url)
	cmd := exec.Command(strace, "-f", "-o", "/dev/null", "-p", strconv.Itoa(p.cmd.Process.Pid), "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT EXERCISED: strace does not run here: %v", err)
	}
	defer func() { _ = cmd.Wait() }() // it ends with the process that it traces
	client := dial(t, p.url)
	topic, err := client.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = client.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{Stream: "account-bob", Expected: commitlog.Any, Events: []commitlog.NewRecord{{Value: []byte("{}")}}}}})
	}
	code, err := p.exitCode()
	if err != nil {
		t.Fatal(err)
	}
	if code != exitGaveUp || !strings.Contains(p.stderr.String(), "the node gave up after") {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	if got := events(t, serve(t, dir).url); len(got) == 0 || got[0] != id {
		t.Errorf("the next start has %v, want %v first", got, id)
	}
}
