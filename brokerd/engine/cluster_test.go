package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/engine"
)

// ports returns addresses that were free a moment ago: engines of a cluster must know each other's before they start.
func ports(t testing.TB, n int) []string {
	t.Helper()
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// startCluster runs three engines until the test ends.
func startCluster(t testing.TB) []*engine.Engine {
	t.Helper()
	return startEngines(t, clusterOf3(t))
}

func clusterOf3(t testing.TB) []engine.Config {
	t.Helper()
	at := ports(t, 3)
	configs := make([]engine.Config, len(at))
	for i := range at {
		configs[i] = engine.Config{
			Dir: t.TempDir(), Name: fmt.Sprintf("node-%d", i+1), Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Cluster: &engine.ClusterConfig{Name: "test", Listen: at[i], Secret: "secret"},
		}
		for j, peer := range at {
			if j != i {
				configs[i].Cluster.Peers = append(configs[i].Cluster.Peers, peer)
			}
		}
	}
	return configs
}

func startEngines(t testing.TB, configs []engine.Config) []*engine.Engine {
	t.Helper()
	engines := make([]*engine.Engine, len(configs))
	var group sync.WaitGroup
	for i := range configs {
		engines[i] = start(t, configs[i])
		group.Go(func() {
			if err := engines[i].AwaitCluster(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	return engines
}

// eventually waits until a condition of the cluster holds, which no event tells.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func leaderOf(t testing.TB, engines []*engine.Engine, stream string) int {
	t.Helper()
	leader := -1
	eventually(t, "one engine leads "+stream, func() bool {
		for i, e := range engines {
			if e != nil && e.IsLeader(stream) {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

func TestClusterReplicates(t *testing.T) {
	engines := startCluster(t)
	replicated := stream("a")
	replicated.Replicas = 3
	create(t, engines[1], replicated)
	leader := leaderOf(t, engines, "a")
	newSession(t, engines[leader], "a").fill(1, 300, []byte("frame"))
	for i, e := range engines {
		if !e.Hosts("a") {
			t.Errorf("engine %d has no copy", i)
		}
		if err := e.AwaitCopy(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		var last uint64
		eventually(t, "the copy is complete", func() bool {
			err := e.Tail(t.Context(), "a", last+1, func(m engine.Message, err error) bool {
				if err != nil || m.Seq != last+1 || string(m.Data) != "frame" {
					t.Fatalf("sequence %d: %q, %v", m.Seq, m.Data, err)
				}
				last = m.Seq
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			return last == 300
		})
	}
	name, replicas, err := engines[0].Replicas(t.Context(), "a")
	if err != nil || name != fmt.Sprintf("node-%d", leader+1) || len(replicas) != 2 {
		t.Errorf("leader %s, replicas %+v, %v", name, replicas, err)
	}

	next := (leader + 1) % 3
	if _, err := engines[leader].HandOn(t.Context(), "a", "node-9"); err == nil || !engines[leader].IsLeader("a") {
		t.Errorf("handing on to an engine that is none: %v", err)
	}
	if to, err := engines[leader].HandOn(t.Context(), "a", fmt.Sprintf("node-%d", next+1)); err != nil || to != fmt.Sprintf("node-%d", next+1) {
		t.Fatal(to, err)
	}
	if err := engines[leader].AwaitSuccessor(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	eventually(t, "the preferred engine leads", func() bool { return engines[next].IsLeader("a") && !engines[leader].IsLeader("a") })
	newSession(t, engines[next], "a").fill(301, 310, []byte("frame"))

	// What two of three have acknowledged outlives the third.
	stop(t, engines[next])
	engines[next] = nil
	third := leaderOf(t, engines, "a")
	count := 0
	for _, err := range engines[third].Read(t.Context(), "a", 1, 310) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 310 {
		t.Errorf("%d messages are left of 310", count)
	}
}

func TestClusterRefusesWrongDirectories(t *testing.T) {
	dir := t.TempDir()
	alone := start(t, engine.Config{Dir: dir})
	create(t, alone, stream("a"))
	stop(t, alone)
	clustered := engine.Config{Dir: dir, Name: "node-1", Cluster: &engine.ClusterConfig{Name: "test", Listen: ports(t, 1)[0], Secret: "secret"}}
	if _, err := engine.Start(t.Context(), clustered); !errors.Is(err, engine.ErrMetadata) {
		t.Errorf("a single node's directory in a cluster: %v", err)
	}
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "jetstream", "$SYS", "_js_", "_meta_", "msgs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Start(t.Context(), engine.Config{Dir: dir}); !errors.Is(err, engine.ErrMetadata) {
		t.Errorf("a cluster's directory on its own: %v", err)
	}
}
