package brokertest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// TestCopyWithoutItsEnd has the disk of a node lose the end of its copies of the log, and nothing of the segments and indexes that were built on it, as a loss of
// power may when a disk lies about syncs. The node fetches what it lost before it serves, and then leads shards whose indexes equal the log.
func TestCopyWithoutItsEnd(t *testing.T) {
	t.Parallel() // it mostly waits
	c := brokertest.Cluster(t, 3, brokertest.Processes())
	client := dial(t, c.URLs())
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 6, Shards: 6})
	if err != nil {
		t.Fatal(err)
	}
	w := newTold()
	stop := w.begin(t, topic, 4, func(int) *commitlog.Client { return client })
	defer stop()
	w.await(t, 100)
	const node, other = 1, 2
	log, saved := filepath.Join(c.Dir(node), "log"), t.TempDir()
	c.Stop(node)
	if err := os.CopyFS(saved, os.DirFS(log)); err != nil {
		t.Fatal(err)
	}
	c.Start()
	awaitCopies(t, client, topic)
	w.await(t, 500)
	c.Stop(node) // its indexes are written up to here
	w.await(t, 50)
	if err := os.RemoveAll(log); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(log, os.DirFS(saved)); err != nil {
		t.Fatal(err)
	}
	c.Start()
	awaitCopies(t, client, topic)
	c.Stop(other)
	leads := func() (n int) {
		now, err := client.Topic(t.Context(), topic.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range now.Partitions {
			if c.Index(p.Leader) == node {
				n++
			}
		}
		return n
	}
	eventually(t, 60*time.Second, "the node leads some of the shards", func() bool { return leads() > 0 })
	w.await(t, 100)
	stop()
	t.Logf("%d events acknowledged, %d indefinite; the node leads %d of 6 shards", len(w.stored), len(w.indefinite), leads())
	if len(w.failures) > 0 {
		t.Errorf("appends failed: %v", w.failures)
	}
	w.check(t, dial(t, c.URL(node)), topic)
}
