package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the manual in testdata/script. Beside testscript's own commands there are
//
//	up NAME ARGS...  starts brokerd ARGS and waits until it is ready: $NAME_URL, $NAME_ADDR, $NAME_DIR, and its output in the file NAME
//	down NAME        sends SIGTERM and waits for exit code 0
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"up":   up,
			"down": down,
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
