package broker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// tableWriter puts and deletes keys of its own, one after the other, and remembers what they hold.
type tableWriter struct {
	want  map[string]string // absent: deleted, or never written
	wrote int
}

func (w *tableWriter) run(ctx context.Context, t *testing.T, to *commitlog.Producer, name string, progress chan<- struct{}) {
	for ctx.Err() == nil {
		key := fmt.Sprintf("%s-%d", name, rand.IntN(12))
		m := commitlog.Message{Key: []byte(key)}
		if rand.IntN(4) > 0 {
			m.Value = fmt.Appendf(nil, "%d %s", w.wrote, strings.Repeat("x", rand.IntN(60<<10)))
		}
		// The outcome of every write is waited for, whatever happens to the node meanwhile.
		if _, err := to.Deliver(context.WithoutCancel(ctx), m); err != nil {
			t.Errorf("putting %q: %v", key, err)
			return
		}
		w.wrote++
		if delete(w.want, key); m.Value != nil {
			w.want[key] = string(m.Value)
		}
		select {
		case progress <- struct{}{}:
		default:
		}
	}
}

// check compares the table with what was written: by key, and as a reader from the start sees it.
func (w *tableWriter) check(t *testing.T, client *commitlog.Client, topic commitlog.Topic, name string) {
	t.Helper()
	for i := range 12 {
		key := fmt.Sprintf("%s-%d", name, i)
		r, ok, err := client.Get(t.Context(), topic, []byte(key), commitlog.Strict())
		if err != nil {
			t.Fatal(err)
		}
		if want, wanted := w.want[key]; ok != wanted || string(r.Value) != want {
			t.Errorf("key %q holds %.20q (%t), want %.20q (%t)", key, r.Value, ok, want, wanted)
		}
	}
	seen := map[string]string{}
	for p := range topic.Partitions {
		for r, err := range client.Records(t.Context(), topic, int32(p), commitlog.Range{From: commitlog.Earliest}) {
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(string(r.Key), name+"-") {
				continue
			}
			if delete(seen, string(r.Key)); r.Value != nil {
				seen[string(r.Key)] = string(r.Value)
			}
		}
	}
	for key, want := range w.want {
		if seen[key] != want {
			t.Errorf("a reader from the start sees %.20q under %q, want %.20q", seen[key], key, want)
		}
	}
	if len(seen) != len(w.want) {
		t.Errorf("a reader from the start sees %d keys, want %d", len(seen), len(w.want))
	}
}

// TestKillWhileCleaning kills the node again and again while a table is cleaned and old records of a plain topic are deleted.
func TestKillWhileCleaning(t *testing.T) {
	const writers, kept = 4, 4 << 20
	rounds := full(2, 20)
	dir := t.TempDir()
	node := spawn(t, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(node.url, "nats://")
	client, _ := dial(t, node.url)
	table, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "prices", Kind: commitlog.Table, Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 3, RetentionBytes: kept})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	progress := make(chan struct{}, 1)
	var all sync.WaitGroup
	var tables [writers]tableWriter
	puts, err := client.Producer(t.Context(), table, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	clicks, err := client.Producer(t.Context(), plain, commitlog.ProducerConfig{BufferBytesMax: 4 << 20, BufferWaitMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	sent := newProduced()
	for i := range tables {
		tables[i].want = map[string]string{}
		all.Go(func() { tables[i].run(ctx, t, puts, fmt.Sprint(i), progress) })
		all.Go(func() { sent.send(ctx, t, clicks, i, 1<<30) })
	}
	for range rounds {
		for range 150 + rand.IntN(100) {
			select {
			case <-progress:
			case <-time.After(30 * time.Second):
				t.Fatal("no write was acknowledged within 30 s of a restart")
			}
		}
		node.kill(t)
		node = spawn(t, dir, listen)
	}
	stop()
	all.Wait()
	if err := clicks.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, rebuilt := range []bool{false, true} {
		if rebuilt {
			node.kill(t)
			for _, topic := range []commitlog.Topic{table, plain} {
				if err := os.RemoveAll(filepath.Join(dir, "shards", topic.ID.String()+"-0", "index")); err != nil {
					t.Fatal(err)
				}
			}
			node = spawn(t, dir, listen)
		}
		for i := range tables {
			tables[i].check(t, client, table, fmt.Sprint(i))
		}
		sent.checkKept(t, client, plain)
	}
	described, err := client.Topic(t.Context(), "prices")
	if err != nil {
		t.Fatal(err)
	}
	for p, at := range described.Partitions {
		if at.Start == 0 {
			t.Errorf("partition %d of the table was never cleaned, it ends at %d", p, at.End)
		}
	}
}

// checkKept is check for a topic that has let go of its oldest records: of what is behind the start nothing is missing.
func (p *produced) checkKept(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	topic, err := client.Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	gone := 0
	for name, d := range p.delivered {
		if d.Offset < topic.Partitions[d.Partition].Start {
			gone++
			delete(p.delivered, name)
			p.sent--
		}
	}
	t.Logf("%d records delivered and kept, %d deleted since", len(p.delivered), gone)
	p.check(t, client, topic)
}
