package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/strandlog/strand/commitlog"
)

// TestScripts runs the manual in testdata/script. Beside testscript's own commands there are
//
//	up NAME ARGS...  starts brokerd ARGS and waits until it is ready: $NAME_URL, $NAME_ADDR, $NAME_DIR, and its output in the file NAME
//	down NAME        sends SIGTERM and waits for exit code 0
//	seed URL         stores three events in the topic events, of one partition
//	damage DIR       changes a byte in the middle of the largest file in which DIR keeps events
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"up":     up,
			"down":   down,
			"seed":   seed,
			"damage": damage,
		},
		Setup: func(env *testscript.Env) error {
			env.Values[nodesKey{}] = map[string]*process{}
			return nil
		},
	})
}

// nodesKey is where a script keeps its nodes, by name.
type nodesKey struct{}

func nodes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(nodesKey{}).(map[string]*process)
}

func up(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: up NAME ARGS...")
	}
	p, err := start(ts.Getenv("WORK"), args[1:]...)
	ts.Check(err)
	ts.Defer(p.kill)
	name := args[0]
	nodes(ts)[name] = p
	ts.Setenv(name+"_URL", p.url)
	ts.Setenv(name+"_ADDR", strings.TrimPrefix(p.url, "nats://"))
	ts.Setenv(name+"_DIR", p.dir)
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(p.stdout.String()+p.stderr.String()), 0o600))
}

func down(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || nodes(ts)[args[0]] == nil {
		ts.Fatalf("usage: down NAME, of a node that runs")
	}
	p := nodes(ts)[args[0]]
	ts.Check(p.signal(syscall.SIGTERM))
	code, err := p.exitCode()
	ts.Check(err)
	if code != exitOK {
		ts.Fatalf("brokerd exited with %d: %s", code, p.stderr)
	}
}

func seed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: seed URL")
	}
	ctx := context.Background()
	client, err := commitlog.Dial(ctx, args[0])
	ts.Check(err)
	defer client.Close()
	topic, err := client.CreateTopic(ctx, commitlog.TopicConfig{Name: "events", Partitions: 1})
	ts.Check(err)
	for range 3 {
		write := commitlog.Write{Stream: "account-alice", Expected: commitlog.Any, Events: []commitlog.NewRecord{{Value: []byte(strings.Repeat("x", 1000))}}}
		_, err := client.Append(ctx, topic, commitlog.Append{Writes: []commitlog.Write{write}})
		ts.Check(err)
	}
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	var largest string
	var size int64
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".blk" && filepath.Ext(path) != ".frames" {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	}))
	data, err := os.ReadFile(largest)
	ts.Check(err)
	data[len(data)/2] ^= 1
	ts.Check(os.WriteFile(largest, data, 0o600))
}
