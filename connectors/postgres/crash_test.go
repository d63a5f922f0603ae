package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/eventstore"
	"github.com/strandlog/strand/internal/pgtest"
	"github.com/strandlog/strand/migrations"
	"github.com/strandlog/strand/projections"
)

const (
	patience   = 60 * time.Second // with whatever has to happen
	workers    = 3
	partitions = 6
	keys       = 40
)

// TestCrashes has three worker processes keep two read models in PostgreSQL while events are appended, and all that takes part crashes in turn. In the
// end both read models are what the log comes to, read raw, which is what the writers were told. With STRAND_TORTURE=1 there are more crashes, and a
// cluster beside the node that is alone.
func TestCrashes(t *testing.T) {
	every := []string{
		"handler written", "commit folded", "cut batch answered", "cut commit answered", "postgres", "zombie written", "broker", "cut commit sent", "cut batch sent",
	}
	if os.Getenv("STRAND_TORTURE") == "" {
		crash(t, 1, every)
		return
	}
	every = append(every, "worker", "zombie folded", "handler folded", "commit written", "workers", "everything")
	long := slices.Repeat(every, 4)
	rand.Shuffle(len(long), func(i, j int) { long[i], long[j] = long[j], long[i] })
	t.Run("alone", func(t *testing.T) { crash(t, 1, long) })
	t.Run("cluster", func(t *testing.T) { crash(t, 3, long[:len(long)/2]) })
}

// scene is all that takes part.
type scene struct {
	t       *testing.T
	broker  *brokertest.Nodes
	client  *commitlog.Client
	store   *eventstore.Store
	server  *pgtest.Server
	proxy   *pgtest.Proxy
	pool    *pgxpool.Pool // around the proxy
	workers [workers]*workerProcess
	writers *writers

	crashes  map[string]int
	takeover []time.Duration // of the partitions of workers that were stopped
	refusals map[string]int  // of their commits
}

func crash(t *testing.T, nodes int, kinds []string) {
	s := &scene{t: t, broker: brokertest.Cluster(t, nodes, brokertest.Processes()), server: pgtest.Start(t, "deadlock_timeout = '200ms'"), crashes: map[string]int{}, refusals: map[string]int{}}
	s.proxy = s.server.Proxy(t)
	s.pool = s.server.Pool(t)
	if _, err := migrations.Migrate(t.Context(), s.pool); err != nil {
		t.Fatal(err)
	}
	s.forbidSteppingBack()
	var err error
	if s.client, err = commitlog.Dial(t.Context(), s.broker.URLs()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.client.Close() })
	if s.store, err = eventstore.Open(t.Context(), s.client, eventstore.Config{Partitions: partitions}, tallies); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.endWorkers)
	for i := range s.workers {
		s.start(i)
	}
	s.writers = newWriters(s.store)
	s.writers.start(t, 4)
	defer s.writers.stop()
	s.recover()
	for _, kind := range kinds {
		began := time.Now()
		s.hurt(kind)
		s.crashes[kind]++
		s.recover()
		t.Logf("%-20s %v", kind, time.Since(began).Round(time.Millisecond))
	}
	s.writers.stop()
	s.judge()
}

// forbidSteppingBack has PostgreSQL itself refuse a checkpoint or an owner's number that goes back.
func (s *scene) forbidSteppingBack() {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), `
		CREATE FUNCTION forward_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.next_offset < OLD.next_offset OR NEW.lane < OLD.lane OR NEW.epoch < OLD.epoch THEN
				RAISE EXCEPTION 'a checkpoint went back from % to %', OLD, NEW;
			END IF;
			RETURN NEW;
		END $$;
		CREATE TRIGGER forward_only BEFORE UPDATE ON strand.checkpoints FOR EACH ROW EXECUTE FUNCTION forward_only()`); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) start(i int) {
	s.t.Helper()
	s.workers[i] = startWorker(s.t, workerSettings{Broker: s.broker.URLs(), Database: s.proxy.URL(s.pool.Config().ConnConfig.Database) + "&pool_max_conns=16"})
}

// again starts a worker that has died.
func (s *scene) again(i int) {
	s.t.Helper()
	s.workers[i].awaitGone(s.t)
	s.checkWorker(i)
	s.start(i)
}

func (s *scene) checkWorker(i int) {
	s.t.Helper()
	for _, complaint := range s.workers[i].complaints() {
		s.t.Errorf("worker %d %s", i, complaint)
	}
}

func (s *scene) endWorkers() {
	for _, w := range s.workers {
		if w == nil {
			continue
		}
		_ = w.cmd.Process.Signal(syscall.SIGCONT)
		_ = w.cmd.Process.Kill()
		<-w.gone
	}
}

// hurt has one crash.
func (s *scene) hurt(kind string) {
	s.t.Helper()
	i := rand.IntN(workers)
	what, where, _ := strings.Cut(kind, " ")
	switch what {
	case "worker":
		s.workers[i].signal(s.t, syscall.SIGKILL)
		s.again(i)
	case "handler":
		s.workers[i].order(s.t, "die %s", where)
		s.again(i)
	case "commit":
		s.workers[i].order(s.t, "die-after %s", where)
		s.again(i)
	case "zombie":
		s.zombie(i, where)
	case "cut":
		s.cut(pgtest.Cut{Batch: strings.HasPrefix(where, "batch"), Answered: strings.HasSuffix(where, "answered")})
	case "postgres":
		s.server.Kill(s.t)
		s.restartServer()
	case "broker":
		s.killBroker()
		s.broker.Start()
	case "workers":
		for i := range s.workers {
			s.workers[i].signal(s.t, syscall.SIGKILL)
			s.again(i)
		}
	case "everything":
		s.killBroker()
		s.server.Kill(s.t)
		for i := range s.workers {
			s.workers[i].signal(s.t, syscall.SIGKILL)
		}
		s.broker.Start()
		s.restartServer()
		for i := range s.workers {
			s.again(i)
		}
	default:
		s.t.Fatalf("unknown kind of crash %q", kind)
	}
}

func (s *scene) restartServer() {
	s.t.Helper()
	s.server.Restart(s.t)
	s.pool.Reset() // the test itself is not what is tested
}

// killBroker kills the node that leads the topic.
func (s *scene) killBroker() {
	s.t.Helper()
	if s.broker.Size() == 1 {
		s.broker.Kill(0)
		return
	}
	topic, err := s.store.Topic(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	s.broker.Kill(max(0, s.broker.Index(topic.Partitions[rand.IntN(partitions)].Leader)))
}

// cut has a commit lose its connection. When the server refused that commit anyway, because of a deadlock or another partition's change, the next one does.
func (s *scene) cut(c pgtest.Cut) {
	s.t.Helper()
	for {
		select {
		case committed := <-s.proxy.Cut(c):
			if committed {
				return
			}
		case <-time.After(patience):
			s.t.Fatalf("no commit to be cut (%+v) for %v", c, patience)
		}
	}
}

// zombie stops a worker in a handler, until others have its partition; the commit that it then goes on with is refused.
func (s *scene) zombie(i int, projection string) {
	s.t.Helper()
	w := s.workers[i]
	w.order(s.t, "stop %s", projection)
	var partition int32
	if _, err := fmt.Sscanf(w.await(s.t, "stopping "), "stopping "+projection+" %d", &partition); err != nil {
		s.t.Fatal(err)
	}
	stopped := time.Now()
	owner := func() (lane int64) {
		if err := s.pool.QueryRow(s.t.Context(), "SELECT lane FROM strand.checkpoints WHERE projection = $1 AND partition = $2", projection, partition).Scan(&lane); err != nil {
			s.t.Fatal(err)
		}
		return lane
	}
	before := owner()
	s.eventually("another worker has the partition", func() bool { return owner() > before })
	s.takeover = append(s.takeover, time.Since(stopped))
	w.signal(s.t, syscall.SIGCONT)
	w.order(s.t, "go")
	said := w.await(s.t, fmt.Sprintf("stopped %s %d: ", projection, partition))
	switch {
	case strings.HasSuffix(said, `"<nil>"`):
		s.t.Errorf("a worker committed what was not its any more: %s", said)
	case strings.Contains(said, "taken over"):
		s.refusals["fenced"]++
	default: // PostgreSQL has ended its transaction
		s.refusals["cut off"]++
	}
}

// recover returns when both projections have passed what is in the log now.
func (s *scene) recover() {
	s.t.Helper()
	select {
	case <-s.writers.acknowledged(): // the log is there again
	case <-time.After(patience):
		s.t.Fatalf("nothing was acknowledged for %v", patience)
	}
	s.recoverTo(s.end())
}

func (s *scene) end() eventstore.Cursor {
	s.t.Helper()
	end, err := s.store.End(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return end
}

// recoverTo returns when both projections have passed a place.
func (s *scene) recoverTo(end eventstore.Cursor) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := cmp.Or(
		projections.AwaitCursor(ctx, folded(nil, 1), postgres.NewTable[tally](s.pool), end),
		projections.AwaitCursor(ctx, written(nil, 1), postgres.NewSink(s.pool), end),
	); err != nil {
		for i := range s.workers {
			s.checkWorker(i)
		}
		s.t.Fatal(err)
	}
}

// eventually asks again and again.
func (s *scene) eventually(what string, is func() bool) {
	s.t.Helper()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(patience); !is(); <-retry.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("not for %v: %s", patience, what)
		}
	}
}

// judge compares the read models with the log, and that with what the writers were told.
func (s *scene) judge() {
	s.t.Helper()
	s.recoverTo(s.end())
	is := s.fold()
	for name, test := range map[string]struct {
		sql  string
		want model
	}{
		"rows of streams in the table":  {"SELECT key, count, sum, chain FROM folded.rows WHERE key LIKE 'k%'", is.streams},
		"rows of colours in the table":  {"SELECT key, count, sum, chain FROM folded.rows WHERE key NOT LIKE 'k%'", is.colours},
		"rows of streams by handlers":   {"SELECT key, count, sum, chain FROM written.tallies", is.streams},
		"rows of colours by handlers":   {"SELECT key, count, sum, chain FROM written.colours", is.colours},
		"effects, by their streams":     {"SELECT 'all', count(*), sum(id)::bigint, 0 FROM written.effects", model{"all": is.records}},
		"checkpoints of the projection": {"SELECT projection, sum(next_offset)::bigint, 0, 0 FROM strand.checkpoints GROUP BY 1", model{"folded": {Count: is.records.Count}, "written": {Count: is.records.Count}}},
	} {
		if diff := gocmp.Diff(test.want, readModel(s.t, s.pool, test.sql)); diff != "" {
			s.t.Errorf("%s (-log +PostgreSQL):\n%s", name, diff)
		}
	}
	for i := range s.workers {
		s.checkWorker(i)
	}
	total := 0
	for _, n := range s.crashes {
		total += n
	}
	s.t.Logf("%d crashes %v; %d events acknowledged, %d of unknown outcome, %d in the log; partitions of stopped workers were taken over after %v, and their commits refused: %v; appends failed: %v",
		total, s.crashes, len(s.writers.stored), len(s.writers.unknown), is.records.Count, s.takeover, s.refusals, s.writers.failures)
}

// fold adds the log up, and compares it with what the writers were told.
func (s *scene) fold() logged {
	s.t.Helper()
	is := foldLog(s.t, s.client, 1, nil)
	for id, key := range s.writers.stored {
		if is.keys[id] != key {
			s.t.Errorf("event %d was acknowledged in stream %s and is in %q", id, key, is.keys[id])
		}
	}
	for id := range is.keys {
		if _, told := s.writers.stored[id]; !told && !s.writers.unknown[id] {
			s.t.Errorf("event %d is in the log, and its writer was told that it is not", id)
		}
	}
	return is
}
