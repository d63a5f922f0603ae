package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

// patience is how long a test waits for a process on a loaded machine.
const patience = time.Minute

// transcript keeps what a process writes, and lets a test wait for a part of it.
type transcript struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{} // closed by the next Write
}

func newTranscript() *transcript { return &transcript{grown: make(chan struct{})} }

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	close(t.grown)
	t.grown = make(chan struct{})
	return len(b), nil
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// await returns the first group of the pattern, once it is there.
func (t *transcript) await(pattern *regexp.Regexp, ended <-chan struct{}) (string, error) {
	timeout := time.After(patience)
	for {
		t.mu.Lock()
		found, grown := pattern.FindSubmatch(t.text), t.grown
		t.mu.Unlock()
		if found != nil {
			return string(found[1]), nil
		}
		select {
		case <-grown:
		case <-ended:
			return "", errors.New("the process ended")
		case <-timeout:
			return "", fmt.Errorf("no %s within %s", pattern, patience)
		}
	}
}

// process is a brokerd in a process of its own.
type process struct {
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *transcript
	ended          chan struct{}
	url, dir       string // once it is ready
}

// The lines by which dev and serve tell that they are ready.
var (
	devURL   = regexp.MustCompile(`Clients +(nats://\S+)`)
	devDir   = regexp.MustCompile(`Data +(\S+)`)
	serveURL = regexp.MustCompile(`"msg":"ready","url":"(nats://[^"]+)"`)
	serveDir = regexp.MustCompile(`"data_dir":"([^"]+)"`)
)

// launch runs brokerd in workDir, which also holds its temporary files. Its stdin stays open.
func launch(workDir string, env []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command("brokerd", args...), stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = workDir, p.stdout, p.stderr
	p.cmd.Env = append(append(os.Environ(), "TMPDIR="+workDir), env...)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit code is in ProcessState
	}()
	return p, nil
}

// start launches brokerd and waits until it is ready.
func start(workDir string, args ...string) (*process, error) {
	p, err := launch(workDir, nil, args...)
	if err != nil {
		return nil, err
	}
	said, url, dir := p.stdout, devURL, devDir
	if args[0] == "serve" {
		said, url, dir = p.stderr, serveURL, serveDir
	}
	var err1, err2 error
	p.url, err1 = said.await(url, p.ended)
	p.dir, err2 = said.await(dir, p.ended)
	if err := errors.Join(err1, err2); err != nil {
		p.kill()
		return nil, fmt.Errorf("brokerd %q: %w\nstdout: %s\nstderr: %s", args, err, p.stdout, p.stderr)
	}
	return p, nil
}

// signal sends signals in such a way that all of them are there when the process runs on.
func (p *process) signal(signals ...syscall.Signal) error {
	err := p.cmd.Process.Signal(syscall.SIGSTOP)
	for _, s := range signals {
		err = errors.Join(err, p.cmd.Process.Signal(s))
	}
	return errors.Join(err, p.cmd.Process.Signal(syscall.SIGCONT))
}

// exitCode waits for the end of the process.
func (p *process) exitCode() (int, error) {
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("brokerd runs on after %s", patience)
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}
