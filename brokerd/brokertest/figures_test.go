package brokertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// figuresEnv names files to be written, without their endings: NAME.json has a line for each distribution in the format of bench, NAME.md is a table.
const figuresEnv = "STRAND_FIGURES"

const figureRounds = 20

// figure is a distribution of durations, of one event.
type figure struct {
	name, what string
	all        []time.Duration
}

func (f *figure) at(q float64) time.Duration {
	s := slices.Sorted(slices.Values(f.all))
	return s[int(q*float64(len(s)-1)+0.5)]
}

// TestFigures measures for how long a cluster of processes pauses: writers, when a leader is killed or stopped; the partitions of a group, when members join,
// leave and are killed.
func TestFigures(t *testing.T) {
	files := os.Getenv(figuresEnv)
	if files == "" {
		t.Skipf("NOT EXERCISED: set %s to the name of the files to be written", figuresEnv)
	}
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	figures := append(rebalances(t, c), takeovers(t, c)...)
	var lines, table strings.Builder
	fmt.Fprintf(&table, "3 nodes in processes of one machine with %d cores, %s, %s. Milliseconds.\n\n| pause | n | min | median | p95 | max | what |\n|---|---|---|---|---|---|---|\n",
		runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	for _, f := range figures {
		runs := make([]float64, len(f.all))
		for i, d := range f.all {
			runs[i] = float64(d.Microseconds()) / 1000
		}
		line, err := json.Marshal(map[string]any{"bench": f.name, "system": "strand", "value": float64(f.at(0.5).Microseconds()) / 1000, "unit": "ms", "runs": runs, "note": f.what})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s\n", line)
		ms := func(q float64) int64 { return f.at(q).Milliseconds() }
		fmt.Fprintf(&table, "| `%s` | %d | %d | %d | %d | %d | %s |\n", f.name, len(f.all), ms(0), ms(0.5), ms(0.95), ms(1), f.what)
		t.Logf("%s: %s", f.name, distribution(f.all))
	}
	for ending, text := range map[string]string{".json": lines.String(), ".md": table.String()} {
		if err := os.WriteFile(files+ending, []byte(text), 0o644); err != nil { //nolint:gosec // it is to be published
			t.Fatal(err)
		}
	}
}

// takeovers ends the leader, again and again, while writers write to it.
func takeovers(t *testing.T, c *brokertest.Nodes) []*figure {
	t.Helper()
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	w := newTold()
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for i := range 6 {
		writer := dial(t, c.URLs())
		group.Go(func() { w.write(ctx, writer, topic, i) })
	}
	kill := &figure{name: "takeover/kill", what: "kill -9 of the leader: the longest time without an acknowledged append; 6 writers, with connections to any node"}
	halt := &figure{name: "takeover/stop", what: "SIGTERM to the leader: the same"}
	for round := range 2 * figureRounds {
		awaitCopies(t, client, topic)
		w.await(t, 50)
		victim := leader(t, c, client, topic)
		if victim < 0 {
			t.Fatal("nobody leads the topic")
		}
		w.mu.Lock()
		w.longest, w.last = 0, time.Now()
		w.mu.Unlock()
		if round%2 == 0 {
			c.Kill(victim)
		} else {
			c.Stop(victim)
		}
		drained := len(w.progress)
		w.await(t, 50+drained)
		w.mu.Lock()
		pause := w.longest
		w.mu.Unlock()
		if round%2 == 0 {
			kill.all = append(kill.all, pause)
		} else {
			halt.all = append(halt.all, pause)
		}
		c.Start()
	}
	stop()
	group.Wait()
	t.Logf("%d events acknowledged, %d indefinite; failures: %v", len(w.stored), len(w.indefinite), w.failures)
	w.check(t, client, topic)
	return []*figure{kill, halt}
}

// awaitCopies returns when all copies of a topic are in sync.
func awaitCopies(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	eventually(t, 60*time.Second, "all copies are in sync", func() bool {
		now, err := client.Topic(t.Context(), topic.Name)
		return err == nil && !slices.ContainsFunc(now.Partitions, func(p commitlog.PartitionInfo) bool {
			insync := 0
			for _, r := range p.Replicas {
				if r.Alive && r.InSync {
					insync++
				}
			}
			return p.State != commitlog.Serving || insync < 3
		})
	})
}

// rebalances has members join, leave and be killed, while the group works.
func rebalances(t *testing.T, c *brokertest.Nodes) []*figure {
	t.Helper()
	client := dial(t, c.URLs())
	topic := clicks(t, client, churnPartitions)
	group := newCrowd(t, c.URLs(), "dashboard", topic, commitlog.MemberConfig{})
	for range 4 {
		group.join()
	}
	group.await(30*time.Second, "the members share the partitions", group.settled)
	log := followCommits(t, client, group.group, topic.ID)
	stop := written(t, c.URLs(), topic, 2, 2000)
	var figures []*figure
	for _, event := range []struct {
		name, what string
		happens    func()
	}{
		{"join", "a fifth member joins", group.join},
		{"leave", "one of five leaves", func() { group.part(0) }},
		{"kill", "the connection of one of five ends without a word; session timeout 6 s", func() { group.kill(0) }},
	} {
		owner := &figure{name: "rebalance/" + event.name, what: event.what + ", 24 partitions: time without an owner of each partition that moves"}
		whole := &figure{name: "rebalance/" + event.name + "/settled", what: "the same, until all members have their share"}
		figures = append(figures, owner, whole)
		for range figureRounds {
			if event.name != "join" {
				group.join()
			} else if len(group.members) > 4 {
				group.part(0)
			}
			group.await(30*time.Second, "the members share the partitions", group.settled)
			log.await(t, churnPartitions)
			_, _ = group.takePauses() // of getting ready
			began := time.Now()
			event.happens()
			group.await(30*time.Second, "the members share the partitions", group.settled)
			whole.all = append(whole.all, time.Since(began))
			ended, _ := group.takePauses()
			owner.all = append(owner.all, ended...)
			group.check()
		}
	}
	group.awaitAll(stop())
	for len(group.members) > 0 {
		group.part(0)
	}
	log.check(group)
	group.check()
	return figures
}
