package table_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// workerEnv makes the test binary a worker, which dials what it says.
const workerEnv = "STRAND_TABLE_WORKER"

const patience = 60 * time.Second // with whatever has to happen

var counters = eventstore.Category{Name: "counter", Events: map[string]any{"counted": counted{}}}

// counting counts the events of each stream, and all of them: a row that every partition changes.
func counting(visited func()) *projections.Projection[*projections.Rows[counter]] {
	return projections.Define("counters", projections.OnBatch(func(ctx context.Context, rows *projections.Rows[counter], events []eventstore.Recorded[counted]) error {
		visited()
		for _, e := range events {
			for _, key := range []string{e.Stream.Key(), "all"} {
				row, err := rows.Row(ctx, key)
				if err != nil {
					return err
				}
				row.N += e.Data.N
			}
		}
		return nil
	}))
}

// work is a worker. It is stopped by SIGSTOP in the handlers that follow SIGUSR1, that is within a commit, and ends with its standard input.
func work(url string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR1)
	client, err := commitlog.Dial(ctx, url)
	if err != nil {
		return err
	}
	store, err := eventstore.Open(ctx, client, eventstore.Config{}, counters)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return errors.Join(projections.Run(ctx, store, counting(func() {
		select {
		case <-stop:
			fmt.Println("stopping")
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		default:
		}
	}), table.New[counter](client)), client.Close())
}

// process is a worker from outside.
type process struct {
	cmd  *exec.Cmd
	in   io.Closer
	said chan string // closed when it has ended
}

func startProcess(t *testing.T, url string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this very binary
	cmd.Env, cmd.Stderr = append(os.Environ(), workerEnv+"="+url), os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, make(chan string, 16)}
	go func() {
		defer close(p.said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.said <- lines.Text()
		}
		_ = cmd.Wait()
	}()
	p.await(t, "ready")
	return p
}

func (p *process) await(t *testing.T, want string) {
	t.Helper()
	select {
	case line, ok := <-p.said:
		if !ok || line != want {
			t.Fatalf("a worker says %q, or has ended: %t; want %q", line, !ok, want)
		}
	case <-time.After(patience):
		t.Fatalf("a worker does not say %q for %v", want, patience)
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end kills it, however it is, and waits.
func (p *process) end() {
	_ = p.cmd.Process.Kill()
	_ = p.in.Close()
	for range p.said { // until it is closed
	}
}

// TestCrashes has worker processes count in a table topic, which is no idempotent thing to do, while they are killed, or stopped within a commit until others have
// their partitions, and while the node is killed, which leaves the outcomes of commits unknown. In the end the rows are what the log comes to, read raw. With STRAND_TORTURE=1 there are more crashes.
func TestCrashes(t *testing.T) {
	rounds := 1
	if os.Getenv("STRAND_TORTURE") != "" {
		rounds = 30
	}
	nodes := brokertest.Cluster(t, 1, brokertest.Processes())
	client, err := commitlog.Dial(t.Context(), nodes.URLs())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	store, err := eventstore.Open(t.Context(), client, eventstore.Config{Partitions: 4}, counters)
	if err != nil {
		t.Fatal(err)
	}
	var workers [2]*process
	for i := range workers {
		workers[i] = startProcess(t, nodes.URLs())
	}
	t.Cleanup(func() {
		for _, w := range workers {
			w.end()
		}
	})
	writing, stopWriting := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	defer writers.Wait()
	defer stopWriting()
	for w := range 3 {
		writers.Go(func() {
			pace := time.NewTicker(2 * time.Millisecond) // workers that were away have to catch up
			defer pace.Stop()
			for i := 0; writing.Err() == nil; i++ { // what becomes of it is read from the log
				<-pace.C
				_, _ = store.Append(writing, fmt.Sprintf("counter-%d", (w+3*i)%20), eventstore.Any, counted{1 + int64(i%7)})
			}
		})
	}
	sink, p := table.New[counter](client), counting(func() {})
	recovered := func() {
		t.Helper()
		limited, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := store.Append(limited, "counter-0", eventstore.Any, counted{1}); err != nil && !errors.Is(err, commitlog.ErrIndefinite) { // the log is there again
			t.Fatal(err)
		}
		end, err := store.End(limited)
		if err == nil {
			err = projections.AwaitCursor(limited, p, sink, end)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	recovered()
	for round := range rounds {
		i := round % len(workers)
		began := time.Now()
		workers[i].end()
		workers[i] = startProcess(t, nodes.URLs())
		recovered()
		t.Logf("a worker was killed: %v", time.Since(began))

		began = time.Now()
		workers[i].signal(t, syscall.SIGUSR1)
		workers[i].await(t, "stopping")
		recovered() // others have its partitions
		workers[i].signal(t, syscall.SIGCONT)
		recovered()
		t.Logf("a worker was stopped in a commit, and went on: %v", time.Since(began))

		began = time.Now()
		nodes.Kill(0)
		nodes.Start()
		recovered()
		t.Logf("the node was killed: %v", time.Since(began))
	}
	stopWriting()
	writers.Wait()
	recovered()
	want, topic := map[string]int64{}, mustTopic(t, store)
	for partition := range topic.Partitions {
		for r, err := range client.Records(t.Context(), topic, int32(partition), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			var n int64
			if _, err := fmt.Sscanf(string(r.Value), `{"N":%d}`, &n); err != nil {
				t.Fatalf("record %q: %v", r.Value, err)
			}
			want[string(r.Key)[len("counter-"):]] += n
			want["all"] += n
		}
	}
	rows, err := sink.All(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for key, row := range rows {
		got[key] = row.N
	}
	if !maps.Equal(got, want) {
		t.Errorf("the rows are %v, and the log comes to %v", got, want)
	}
	t.Logf("%d crashes; the log comes to %d", rounds*3, want["all"])
	for i, w := range workers {
		select {
		case line := <-w.said:
			t.Errorf("worker %d says %q, or has ended", i, line)
		default:
		}
	}
}

func mustTopic(t *testing.T, store *eventstore.Store) commitlog.Topic {
	t.Helper()
	topic, err := store.Topic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return topic
}
