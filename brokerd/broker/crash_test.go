package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// nodeDir makes the test binary a node of its own: it serves until it is killed.
const nodeDir = "STRAND_TEST_NODE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(nodeDir); dir != "" {
		os.Exit(serveNode(dir))
	}
	os.Exit(m.Run())
}

func serveNode(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b, err := broker.Start(ctx, broker.Config{Dir: dir, Listen: os.Getenv(nodeDir + "_LISTEN"), RetentionInterval: 50 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(b.URL())
	go reportUsage(ctx)
	<-ctx.Done()
	if err := b.Close(context.WithoutCancel(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a node in a process of its own.
type process struct {
	cmd *exec.Cmd
	url string
	out *bufio.Scanner
}

// spawn starts a node and waits until it serves.
func spawn(t *testing.T, dir, listen string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), nodeDir+"="+dir, nodeDir+"_LISTEN="+listen)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	in := bufio.NewScanner(out)
	if !in.Scan() {
		t.Fatalf("the node did not come up: %v", errors.Join(in.Err(), cmd.Wait()))
	}
	return &process{cmd: cmd, url: in.Text(), out: in}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // "signal: killed"
}

// acked remembers what the writers were told.
type acked struct {
	mu         sync.Mutex
	byID       map[uuid.UUID]place // acknowledged
	indefinite map[uuid.UUID]bool  // may be stored
	refused    map[uuid.UUID]bool  // must not be stored
	progress   chan struct{}       // a token for an acknowledgement
	skip       string              // a stream that another wrote
}

func newAcked() *acked {
	return &acked{byID: map[uuid.UUID]place{}, indefinite: map[uuid.UUID]bool{}, refused: map[uuid.UUID]bool{}, progress: make(chan struct{}, 1)}
}

// dial connects to a node and creates the topic that the writers write to.
func dial(t *testing.T, url string) (*commitlog.Client, commitlog.Topic) {
	t.Helper()
	client, err := commitlog.Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	return client, topic
}

type place struct {
	Stream  string
	Version int64
}

// write appends to streams of its own and to streams that all writers fight over, until ctx ends.
func (a *acked) write(ctx context.Context, client *commitlog.Client, topic commitlog.Topic, writer int) {
	versions := map[string]int64{}
	for i := 0; ctx.Err() == nil; i++ {
		stream := fmt.Sprintf("own-%d_%d", writer, rand.IntN(20))
		if i%4 == 0 {
			stream = fmt.Sprintf("shared-%d", rand.IntN(3))
		}
		w := commitlog.Write{Stream: stream, Expected: commitlog.Expected(versions[stream])}
		for range 1 + rand.IntN(3) {
			w.Events = append(w.Events, commitlog.NewRecord{ID: uuid.New(), Value: []byte(strings.Repeat("x", rand.IntN(300)))})
		}
		done, err := client.Append(ctx, topic, commitlog.Append{Writes: []commitlog.Write{w}})
		conflict := new(commitlog.ConflictError)
		a.mu.Lock()
		for j, e := range w.Events {
			switch {
			case err == nil:
				a.byID[e.ID] = place{stream, done.Writes[0].FirstVersion + int64(j)}
			case errors.Is(err, commitlog.ErrIndefinite):
				a.indefinite[e.ID] = true
			default:
				a.refused[e.ID] = true
			}
		}
		a.mu.Unlock()
		switch {
		case err == nil:
			versions[stream] = done.Writes[0].FirstVersion + int64(len(w.Events)) - 1
			select {
			case a.progress <- struct{}{}:
			default:
			}
		case errors.As(err, &conflict):
			versions[stream] = conflict.Actual
		}
	}
}

// TestKill kills the node under load, again and again, and compares the log with what the writers were told.
func TestKill(t *testing.T) {
	const writers = 16
	rounds := full(12, 100)
	dir := t.TempDir()
	p := spawn(t, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(p.url, "nats://")
	client, topic := dial(t, p.url)
	a := newAcked()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() { a.write(ctx, client, topic, i) })
	}
	for range rounds {
		for range 10 + rand.IntN(100) {
			select {
			case <-a.progress:
			case <-time.After(30 * time.Second):
				t.Fatal("no append was acknowledged within 30 s of a restart")
			}
		}
		p.kill(t)
		p = spawn(t, dir, listen)
	}
	stop()
	group.Wait()
	t.Logf("%d events acknowledged, %d indefinite, %d refused", len(a.byID), len(a.indefinite), len(a.refused))

	streams := a.check(t, client, topic)
	p.kill(t)
	for _, cache := range []string{"index", "partition-*"} { // segments and index are to be rebuilt from the log
		found, err := filepath.Glob(filepath.Join(dir, "shards", topic.ID.String()+"-0", cache))
		if err != nil || len(found) == 0 {
			t.Fatalf("no caches %q: %v", cache, err)
		}
		for _, f := range found {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	p = spawn(t, dir, listen)
	if diff := cmp.Diff(streams, a.check(t, client, topic)); diff != "" {
		t.Errorf("the rebuilt index differs (-before +after):\n%s", diff)
	}
	p.kill(t)
}

// check compares log and index with what was acknowledged, and returns every stream as the index has it.
func (a *acked) check(t *testing.T, client *commitlog.Client, topic commitlog.Topic) map[string][]uuid.UUID {
	t.Helper()
	log := map[string][]uuid.UUID{}
	seen := map[uuid.UUID]place{}
	for p := range topic.Partitions {
		next := int64(0)
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset != next {
				t.Fatalf("partition %d: offset %d where %d is due", p, r.Offset, next)
			}
			next++
			id := uuid.UUID(r.Headers[0].Value)
			if _, twice := seen[id]; twice {
				t.Errorf("event %s is stored twice", id)
			}
			if a.refused[id] {
				t.Errorf("event %s was refused, and is stored", id)
			}
			log[string(r.Key)] = append(log[string(r.Key)], id)
			seen[id] = place{string(r.Key), int64(len(log[string(r.Key)]))}
		}
	}
	for id, at := range a.byID {
		if seen[id] != at {
			t.Errorf("event %s was acknowledged at %v, the log has it at %v", id, at, seen[id])
		}
	}
	for id, at := range seen {
		if _, known := a.byID[id]; !known && !a.indefinite[id] && at.Stream != a.skip {
			t.Errorf("event %s is stored, and nobody sent it", id)
		}
	}
	streams := map[string][]uuid.UUID{}
	for stream := range log {
		for r, err := range client.Stream(t.Context(), topic, commitlog.StreamQuery{Stream: stream}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Version != int64(len(streams[stream]))+1 {
				t.Errorf("stream %q: version %d follows %d", stream, r.Version, len(streams[stream]))
			}
			streams[stream] = append(streams[stream], uuid.UUID(r.Headers[0].Value))
		}
	}
	if diff := cmp.Diff(log, streams); diff != "" {
		t.Errorf("the index differs from the log (-log +index):\n%s", diff)
	}
	return streams
}
