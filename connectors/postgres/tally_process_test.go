package postgres_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/projections"
)

// workerEnv makes the test binary a worker.
const workerEnv = "STRAND_POSTGRES_WORKER"

// workerSettings are what such a process is given.
type workerSettings struct {
	Broker, Database string

	Fill  string // the projection of which it makes version 2; empty: it runs version 1 of both
	DieAt int    // in the handler, by SIGKILL, when it has come by so many events; 0: never
}

// A worker is told by lines on its standard input where it is to die or to stop, and tells by lines on its standard output what happens:
//
//	stop PROJECTION         in the next handler, by SIGSTOP; the handler goes on after "go"
//	die PROJECTION          in the next handler, by SIGKILL
//	die-after PROJECTION    behind the next commit, before it knows of it
//
//	stopping PROJECTION PARTITION
//	stopped PROJECTION PARTITION: ERROR    of the commit in which it had stopped
//	filled COUNT    events that it has handled to make a version
//	ended ERROR
type worker struct {
	goOn  chan struct{} // of a handler that has stopped
	dieAt int

	mu      sync.Mutex // guards what is below, and the standard output
	order   string     // empty: none; "stopped PROJECTION PARTITION": of the commit under way
	handled map[place]bool
}

// place is that of an event: one that is handled again counts once.
type place struct {
	projection string
	partition  int32
	offset     int64
}

func runWorker(given string) int {
	var s workerSettings
	if err := json.Unmarshal([]byte(given), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	w := &worker{goOn: make(chan struct{}), dieAt: s.DieAt, handled: map[place]bool{}}
	if err := w.run(ctx, s); err != nil {
		w.tell("ended %q", err)
		return 1
	}
	return 0
}

func (w *worker) run(ctx context.Context, s workerSettings) error {
	go w.listen()
	client, err := commitlog.Dial(ctx, s.Broker)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	var log eventstore.Log = client
	if s.Fill != "" {
		log = brief{client}
	}
	store, err := eventstore.Open(ctx, log, eventstore.Config{NoCreate: true}, tallies)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, s.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	if s.Fill != "" {
		return w.fill(ctx, store, pool, s.Fill)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, 2)
	var both sync.WaitGroup
	both.Go(func() {
		defer stop()
		errs[0] = projections.Run(ctx, store, folded(w.at, 1), &told[*projections.Rows[tally]]{postgres.NewTable[tally](pool), w})
	})
	both.Go(func() {
		defer stop()
		errs[1] = projections.Run(ctx, store, written(w.at, 1), &told[pgx.Tx]{postgres.NewSink(pool), w})
	})
	both.Wait()
	return errors.Join(errs...)
}

// brief has a group soon go on without a member that died.
type brief struct{ *commitlog.Client }

func (b brief) Share(ctx context.Context, group string, topics []commitlog.Topic, cfg commitlog.MemberConfig, work func(ctx context.Context, a *commitlog.Assignment) error) error {
	cfg.SessionTimeout = 2 * time.Second
	return b.Client.Share(ctx, group, topics, cfg, work)
}

// fillMax is how many events a commit has at most that fills a version: those of all partitions together are few beside all.
const fillMax = 20

func (w *worker) fill(ctx context.Context, store *eventstore.Store, pool *pgxpool.Pool, projection string) (err error) {
	few := projections.CommitMax(fillMax, 1<<20)
	switch projection {
	case "folded":
		err = projections.CatchUp(ctx, store, folded(w.at, 2), postgres.NewTable[tally](pool), few)
	case "written":
		err = projections.CatchUp(ctx, store, written(w.at, 2), postgres.NewSink(pool), few)
	default:
		return fmt.Errorf("there is no projection %q", projection)
	}
	if err == nil {
		w.tell("filled %d", len(w.handled))
	}
	return err
}

func (w *worker) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Printf(format+"\n", args...)
}

func (w *worker) listen() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "go" {
			w.goOn <- struct{}{}
			continue
		}
		w.mu.Lock()
		w.order = in.Text()
		w.mu.Unlock()
	}
}

// obey reports whether this is what was ordered, and then it was not ordered any more.
func (w *worker) obey(order string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.order != order {
		return false
	}
	w.order = ""
	return true
}

// at is where handlers come by.
func (w *worker) at(projection string, at eventstore.Position) {
	if w.handle(place{projection, at.Partition, at.Offset}) == w.dieAt || w.obey("die "+projection) {
		w.signal(syscall.SIGKILL)
	}
	if w.obey("stop " + projection) {
		w.tell("stopping %s %d", projection, at.Partition)
		w.signal(syscall.SIGSTOP)
		<-w.goOn
		w.mu.Lock()
		w.order = fmt.Sprintf("stopped %s %d", projection, at.Partition)
		w.mu.Unlock()
	}
}

// handle counts events.
func (w *worker) handle(p place) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handled[p] = true
	return len(w.handled)
}

func (w *worker) signal(s syscall.Signal) {
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		w.tell("ended %q", err)
	}
}

// told is a sink that says when a worker was refused.
type told[T any] struct {
	projections.Sink[T]
	worker *worker
}

func (s *told[T]) Claim(ctx context.Context, c projections.Claim) (projections.Lane[T], error) {
	lane, err := s.Sink.Claim(ctx, c)
	if err != nil {
		return nil, err
	}
	return &toldLane[T]{lane, s.worker, c}, nil
}

type toldLane[T any] struct {
	projections.Lane[T]
	worker *worker
	claim  projections.Claim
}

func (l *toldLane[T]) Commit(ctx context.Context, next projections.Mark, fn func(T) error) error {
	err := l.Lane.Commit(ctx, next, fn)
	switch {
	case err == nil && l.worker.obey("die-after "+l.claim.Projection):
		l.worker.signal(syscall.SIGKILL)
		select {}
	case l.worker.obey(fmt.Sprintf("stopped %s %d", l.claim.Projection, l.claim.Partition)):
		l.worker.tell("stopped %s %d: %q", l.claim.Projection, l.claim.Partition, fmt.Sprint(err))
	}
	return err
}

// workerProcess is a worker as the test sees it.
type workerProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	told chan string   // what it says
	gone chan struct{} // closed when it has ended
}

func startWorker(t *testing.T, s workerSettings) *workerProcess {
	t.Helper()
	given, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	w := &workerProcess{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0]), told: make(chan string, 1<<16), gone: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), workerEnv+"="+string(given))
	w.cmd.Stderr = os.Stderr
	w.cmd.SysProcAttr = dieWithParent()
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.gone)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			w.told <- lines.Text()
		}
		_ = w.cmd.Wait() // how it ended does not matter: it says so itself, or it was killed
	}()
	return w
}

// order tells the worker something.
func (w *workerProcess) order(t *testing.T, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(w.in, format+"\n", args...); err != nil {
		t.Fatal(err)
	}
}

// await returns the first line that begins with a word.
func (w *workerProcess) await(t *testing.T, begin string) string {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case line := <-w.told:
			if strings.HasPrefix(line, begin) {
				return line
			}
			if strings.HasPrefix(line, "ended") {
				t.Fatalf("a worker %s", line)
			}
		case <-timeout.C:
			t.Fatalf("a worker did not say %q for %v", begin, patience)
		}
	}
}

func (w *workerProcess) awaitGone(t *testing.T) {
	t.Helper()
	select {
	case <-w.gone:
	case <-time.After(patience):
		t.Fatalf("a worker did not end for %v", patience)
	}
}

func (w *workerProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := w.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// complaints are what a worker has said that it should not have.
func (w *workerProcess) complaints() (all []string) {
	for {
		select {
		case line := <-w.told:
			if strings.HasPrefix(line, "ended") {
				all = append(all, line)
			}
		default:
			return all
		}
	}
}
