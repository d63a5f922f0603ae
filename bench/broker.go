package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/strandlog/strand/bench/process"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// brokerDir tells this program, started again, to be a broker with its data in that directory; brokerProfile, to write a CPU profile of its start;
// brokerCluster, to be one of several.
const (
	brokerDir     = "STRAND_BENCH_BROKER_DIR"
	brokerProfile = "STRAND_BENCH_BROKER_PROFILE"
	brokerCluster = "STRAND_BENCH_BROKER_CLUSTER" // a clusterNode, JSON
)

// serveBroker is the broker's process: brokerd as a child that can be asked for memory and profiles. It says whether this process is one.
func serveBroker() (served bool, err error) {
	dir := os.Getenv(brokerDir)
	if dir == "" {
		return false, nil
	}
	ctx := context.Background()
	profiler := &process.Profiler{}
	profile := os.Getenv(brokerProfile)
	if profile != "" {
		if err := profiler.Start(profile); err != nil {
			return true, process.Refuse(os.Stdout, err)
		}
	}
	cfg := broker.Config{Dir: dir, Listen: "127.0.0.1:0"}
	if given := os.Getenv(brokerCluster); given != "" {
		var n clusterNode
		if err := json.Unmarshal([]byte(given), &n); err != nil {
			return true, process.Refuse(os.Stdout, err)
		}
		cfg.Cluster = n.config()
	}
	b, err := broker.Start(ctx, cfg)
	if err == nil && profile != "" {
		err = profiler.Stop()
	}
	if err != nil {
		return true, process.Refuse(os.Stdout, err)
	}
	commands := map[string]process.Command{"free": process.Free, "profile": profiler.Switch, "heap": process.WriteHeap}
	return true, errors.Join(process.Serve(os.Stdin, os.Stdout, b.URL(), commands), b.Close(ctx))
}

// node is a broker's process and a client of it: one TCP connection.
type node struct {
	child  *process.Child
	client *commitlog.Client
}

func startBroker(ctx context.Context, dir string, environment ...string) (*process.Child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program) // it is asked to end, not cut off
	command.Env = append(append(os.Environ(), brokerDir+"="+dir), environment...)
	return process.Start(ctx, command)
}

func startNode(ctx context.Context, dir string, environment ...string) (*node, error) {
	child, err := startBroker(ctx, dir, environment...)
	if err != nil {
		return nil, err
	}
	client, err := commitlog.Dial(ctx, child.Ready())
	if err != nil {
		child.Kill()
		return nil, err
	}
	return &node{child: child, client: client}, nil
}

// kill is a crash of the broker. The client goes with it: it would go on to look for the broker where it was.
func (n *node) kill() {
	n.child.Kill()
	_ = n.client.Close() // there is nobody to say goodbye to
}

func (n *node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(n.client.Close(), n.child.Close(ctx))
}

// profiled runs fn with a CPU profile of client and broker, when profiles are asked for.
func (n *node) profiled(dir, name string, fn func() error) error {
	return profiled(dir, name, map[string]*process.Child{"broker": n.child}, fn)
}

// profiled runs fn with a CPU profile of this process and of brokers, by name, when profiles are asked for.
func profiled(dir, name string, brokers map[string]*process.Child, fn func() error) error {
	if dir == "" {
		return fn()
	}
	for of, child := range brokers {
		if _, err := child.Ask(fmt.Sprintf("profile %s/%s-%s.pprof", dir, name, of)); err != nil {
			return err
		}
	}
	own := &process.Profiler{}
	if err := own.Start(fmt.Sprintf("%s/%s-client.pprof", dir, name)); err != nil {
		return err
	}
	errs := []error{fn(), own.Stop()}
	for _, child := range brokers {
		_, err := child.Ask("profile")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
