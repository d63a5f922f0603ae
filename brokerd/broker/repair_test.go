package broker_test

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// TestRepairWhileServing damages the segments of a node that is up, under readers and a writer. Reads wait until what is damaged was made again from the log;
// nobody sees an error, a hole or a wrong byte, and nothing is restarted.
func TestRepairWhileServing(t *testing.T) {
	const events = 200
	for range full(3, 50) {
		b := start(t, broker.Config{Dir: t.TempDir()})
		client := b.Client()
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		add := func(i int) {
			a := oneEvent("s-1", commitlog.Expected(i))
			a.Writes[0].Events[0].Value = []byte(valueOf(i))
			if _, err := client.Append(t.Context(), topic, a); err != nil {
				t.Error(err)
			}
		}
		for i := range events {
			add(i)
		}
		segments, err := filepath.Glob(filepath.Join(b.Dir(), "shards", topic.ID.String()+"-0", "partition-0", "*"))
		if err != nil || len(segments) != 1 {
			t.Fatalf("segments %v: %v", segments, err)
		}
		damaged, err := os.OpenFile(segments[0], os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := damaged.WriteAt(bytes.Repeat([]byte{0xff}, 5000), 3000); err != nil {
			t.Fatal(err)
		}
		if err := damaged.Close(); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			for i := events; i < events+50; i++ {
				add(i)
			}
		})
		for range 4 {
			group.Go(func() {
				n := 0
				for r, err := range client.Records(t.Context(), topic, 0, commitlog.Range{To: events}) {
					if err != nil || string(r.Value) != valueOf(n) {
						t.Errorf("record %d: %.30q, %v", n, r.Value, err)
						return
					}
					n++
				}
				if n != events {
					t.Errorf("%d of %d records", n, events)
				}
			})
			group.Go(func() {
				n := 0
				for r, err := range client.Stream(t.Context(), topic, commitlog.StreamQuery{Stream: "s-1"}) {
					if err != nil || string(r.Value) != valueOf(n) {
						t.Errorf("version %d: %.30q, %v", n+1, r.Value, err)
						return
					}
					n++
				}
				if n < events {
					t.Errorf("%d of %d events", n, events)
				}
			})
		}
		group.Wait()
		after, err := client.Topic(t.Context(), "events")
		if err != nil {
			t.Fatal(err)
		}
		if end := after.Partitions[0].End; end != events+50 {
			t.Errorf("the partition ends at %d", end)
		}
		if err := b.Health(); err != nil {
			t.Error(err)
		}
		if note, err := os.ReadFile(filepath.Join(b.Dir(), "shards", topic.ID.String()+"-0", "damaged")); err == nil {
			t.Errorf("the note of damage is left: %s", note)
		}
	}
}
