package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/strandlog/strand/bench/process"
	"github.com/strandlog/strand/bench/workload"
)

// peer is a system of bench/peers, in a process of its own that starts with its first task.
type peer struct {
	name, program, dir string
	child              *process.Child
	failed             error
}

func newPeer(name, program, dir string) *peer {
	return &peer{name: name, program: program, dir: filepath.Join(dir, name)}
}

func (p *peer) run(ctx context.Context, t turn, task workload.Task) (workload.Result, error) {
	if p.child == nil && p.failed == nil {
		p.child, p.failed = process.Start(ctx, exec.CommandContext(context.WithoutCancel(ctx), p.program, p.name, p.dir))
	}
	if p.failed != nil {
		return workload.Result{}, absence(p.failed)
	}
	question, err := json.Marshal(task)
	if err != nil {
		return workload.Result{}, err
	}
	stop := context.AfterFunc(ctx, p.child.Interrupt)
	defer stop()
	answer, err := p.child.Ask("run " + string(question))
	if err != nil {
		return workload.Result{}, absence(err)
	}
	var result workload.Result
	return result, json.Unmarshal([]byte(answer), &result)
}

func (p *peer) close() error {
	if p.child == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return p.child.Close(ctx)
}

// buildPeers builds the module of the peers. Its go.mod and go.sum are used as copies, which the go command may complete: a change of ours to a
// dependency that both have must not stop them.
func buildPeers(ctx context.Context, dir string) (string, error) {
	source, err := peersFolder()
	if err != nil {
		return "", err
	}
	for from, to := range map[string]string{"go.mod": "peers.mod", "go.sum": "peers.sum"} {
		text, err := os.ReadFile(filepath.Join(source, from))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			return "", err
		}
	}
	program := filepath.Join(dir, "peers-program")
	build := exec.CommandContext(ctx, "go", "build", "-mod=mod", "-modfile", filepath.Join(dir, "peers.mod"), "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building bench/peers: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return program, nil
}

// peersFolder finds bench/peers from where this file was compiled, else from the working directory.
func peersFolder() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	for _, folder := range []string{filepath.Join(filepath.Dir(file), "peers"), filepath.Join("bench", "peers")} {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("bench/peers is not found: run from the folder of the module")
}
