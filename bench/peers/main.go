// Command peers does the work of the benchmarks on other systems, one system a process. bench runs it: see bench/README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/strandlog/strand/bench/process"
	"github.com/strandlog/strand/bench/workload"
)

// peer is a system. Its probers are named after the rows; what it has started ends with close.
type peer struct {
	probers map[string]workload.Prober
	close   func() error
}

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if dir := os.Getenv(serverDir); dir != "" {
		return serveJetStream(dir)
	}
	if len(args) != 2 {
		return errors.New("bench runs this program: peers SYSTEM DIRECTORY")
	}
	start, ok := map[string]func(ctx context.Context, dir string) (*peer, error){
		"engine":    newEngine,
		"jetstream": newJetStream,
		"postgres":  newPostgres,
		"sqlite":    newSQLite,
	}[args[0]]
	if !ok {
		return process.Refuse(os.Stdout, fmt.Errorf("%q is no system that peers knows", args[0]))
	}
	p, err := start(ctx, args[1])
	if err != nil {
		return process.Refuse(os.Stdout, err)
	}
	served := process.Serve(os.Stdin, os.Stdout, "", map[string]process.Command{
		"run": func(question string) (string, error) { return p.answer(ctx, question) },
	})
	return errors.Join(served, p.close())
}

func (p *peer) answer(ctx context.Context, question string) (string, error) {
	var task workload.Task
	if err := json.Unmarshal([]byte(question), &task); err != nil {
		return "", err
	}
	probe, ok := p.probers[task.Bench]
	if !ok {
		return "", fmt.Errorf("it has no prober for %s", task.Bench)
	}
	result, err := probe(ctx, task)
	if err != nil {
		return "", err
	}
	answer, err := json.Marshal(result)
	return string(answer), err
}
