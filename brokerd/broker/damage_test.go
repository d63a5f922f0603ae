package broker_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// TestDamagedLog flips one byte of the engine's files at a random place, with and without the caches. The topic then either holds all that was
// acknowledged, or answers that it is damaged: it never skips, and never answers with other bytes.
func TestDamagedLog(t *testing.T) {
	const events = 60
	outcomes := map[string]int{}
	for round := range 10 {
		b := start(t, broker.Config{Dir: t.TempDir()})
		topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range events {
			a := oneEvent("s-1", commitlog.Expected(i))
			a.Writes[0].Events[0].Value = fmt.Appendf(nil, "event %d %s", i, strings.Repeat("x", 200))
			if _, err := b.Client().Append(t.Context(), topic, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		path, at := flipLog(t, b.Dir(), topic)
		if round%2 == 0 {
			if err := os.RemoveAll(filepath.Join(b.Dir(), "shards", topic.ID.String()+"-0", "index")); err != nil {
				t.Fatal(err)
			}
		}
		where := fmt.Sprintf("round %d, byte %d of %s", round, at, path)
		b, err = broker.Start(t.Context(), broker.Config{Dir: b.Dir()})
		if err != nil { // the engine itself refuses, loudly
			outcomes["node refuses"]++
			continue
		}
		n := 0
		for r, err := range b.Client().Records(t.Context(), topic, 0, commitlog.Range{}) {
			switch {
			case errors.Is(err, commitlog.ErrCorrupt), errors.Is(err, commitlog.ErrLogDiverged):
				outcomes["topic says so"]++
				n = events
			case err != nil:
				t.Errorf("%s: %v", where, err)
				n = events
			case !strings.HasPrefix(string(r.Value), fmt.Sprintf("event %d ", n)):
				t.Errorf("%s: record %d is %.30q", where, n, r.Value)
			default:
				n++
			}
		}
		if n != events {
			t.Errorf("%s: %d of %d records without an error", where, n, events)
		}
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("outcomes: %v", outcomes)
	if outcomes["topic says so"] == 0 {
		t.Error("no damage was ever met: the test proves nothing")
	}
}

// flipLog changes one byte of the messages that the engine keeps for a topic.
func flipLog(t *testing.T, dir string, topic commitlog.Topic) (string, int) {
	t.Helper()
	var blocks []string
	err := filepath.WalkDir(filepath.Join(dir, "log"), func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, topic.ID.String()) && strings.HasSuffix(path, ".blk") {
			blocks = append(blocks, path)
		}
		return err
	})
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no blocks of the topic: %v", err)
	}
	path := blocks[rand.IntN(len(blocks))]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rand.IntN(len(data))
	data[at] ^= 1 << rand.IntN(8)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, at
}
