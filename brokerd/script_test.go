package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// TestScripts runs the manual in testdata/script. Beside testscript's own commands there are
//
//	up NAME ARGS...  starts brokerd ARGS and waits until it is ready: $NAME_URL, $NAME_ADDR, $NAME_DIR, and its output in the file NAME
//	down NAME        sends SIGTERM and waits for exit code 0
//	seed URL         stores three events in the topic events, of one partition
//	damage DIR       changes a byte in the middle of the largest file in which DIR keeps events
//	story URL TOPIC PARTITIONS
//	                 creates a versioned topic in which two accounts and an order have events
//	run NAME ARGS... starts brokerd ARGS in the background, with a stdin that stays open
//	type NAME LINE   writes a line to its stdin
//	sees NAME REGEXP waits until its stdout has a line of that kind
//	interrupt NAME   sends SIGINT, waits for exit code 0, and leaves what it told in the files NAME.out and NAME.err
//	work NAME URL TOPIC VERSION LIMIT
//	                 starts a worker of the projection balances over the accounts of a story, which refuses withdrawals above a limit
//	rest NAME        stops it
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: scriptCommands(), Setup: setUpScript})
}

// scriptCommand is a command that scripts have beside those of testscript.
type scriptCommand = func(ts *testscript.TestScript, neg bool, args []string)

func scriptCommands() map[string]scriptCommand {
	return map[string]scriptCommand{
		"up":        up,
		"down":      down,
		"seed":      seed,
		"damage":    damage,
		"story":     story,
		"run":       background,
		"type":      typeLine,
		"sees":      sees,
		"interrupt": interrupt,
		"work":      work,
		"rest":      rest,
	}
}

func setUpScript(env *testscript.Env) error {
	env.Values[nodesKey{}], env.Values[workersKey{}] = map[string]*process{}, map[string]func() error{}
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each command sleeps for a second before it ends
	return nil
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

// The events of the story.
type (
	deposited struct{ Amount int }
	withdrawn struct{ Amount int }
	placed    struct{ Note string }
)

func openStory(ctx context.Context, client *commitlog.Client, cfg eventstore.Config) (*eventstore.Store, error) {
	return eventstore.Open(ctx, client, cfg,
		eventstore.Category{Name: "account", Events: map[string]any{"deposited": deposited{}, "withdrawn": withdrawn{}}},
		eventstore.Category{Name: "order", Events: map[string]any{"placed": placed{}}})
}

func story(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: story URL TOPIC PARTITIONS")
	}
	partitions, err := strconv.Atoi(args[2])
	ts.Check(err)
	ctx := context.Background()
	client, err := commitlog.Dial(ctx, args[0])
	ts.Check(err)
	defer client.Close()
	store, err := openStory(ctx, client, eventstore.Config{Topic: args[1], Partitions: partitions})
	ts.Check(err)
	carol := eventstore.WithMetadata(ctx, eventstore.Metadata{Actor: "carol", Tags: []string{"vip"}, User: map[string]string{"screen": "7"}})
	for _, chapter := range []struct {
		ctx    context.Context //nolint:containedctx // what each chapter is written under
		stream string
		events []any
	}{
		{ctx, "account-alice", []any{deposited{100}}},
		{ctx, "account-bob", []any{deposited{50}}},
		{carol, "account-alice", []any{withdrawn{30}, withdrawn{20}}},
		{ctx, "order-7", []any{placed{"<ring twice>\n"}}},
	} {
		_, err := store.Append(chapter.ctx, chapter.stream, eventstore.Any, chapter.events...)
		ts.Check(err)
	}
}

func background(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: run NAME ARGS...")
	}
	p, err := launch(ts.Getenv("WORK"), []string{serverVariable + "=" + ts.Getenv(serverVariable)}, args[1:]...)
	ts.Check(err)
	ts.Defer(p.kill)
	nodes(ts)[args[0]] = p
}

// running is a process that a script has started.
func running(ts *testscript.TestScript, name string) *process {
	p := nodes(ts)[name]
	if p == nil {
		ts.Fatalf("nothing runs by the name %s", name)
	}
	return p
}

func typeLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: type NAME LINE")
	}
	_, err := io.WriteString(running(ts, args[0]).stdin, args[1]+"\n")
	ts.Check(err)
}

func sees(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sees NAME REGEXP")
	}
	p := running(ts, args[0])
	if _, err := p.stdout.await(regexp.MustCompile("(?m)("+args[1]+")"), p.ended); err != nil {
		ts.Fatalf("%v\nstdout: %s\nstderr: %s", err, p.stdout, p.stderr)
	}
}

func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: interrupt NAME")
	}
	p := running(ts, args[0])
	ts.Check(p.signal(syscall.SIGINT))
	code, err := p.exitCode()
	ts.Check(err)
	if code != exitOK {
		ts.Fatalf("brokerd exited with %d: %s", code, p.stderr)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(p.stdout.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(p.stderr.String()), 0o600))
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
