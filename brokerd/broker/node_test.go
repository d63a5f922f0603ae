package broker_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

func TestLock(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	_, err := broker.Start(t.Context(), broker.Config{Dir: b.Dir()})
	locked := new(broker.LockedError)
	if !errors.Is(err, broker.ErrLocked) || !errors.As(err, &locked) || locked.Dir != b.Dir() {
		t.Fatalf("a second node on one directory: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	start(t, broker.Config{Dir: b.Dir()})
}

func TestTemporaryDirectoryIsRemoved(t *testing.T) {
	b := start(t, broker.Config{})
	if _, err := os.Stat(b.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(b.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

func TestSeveralInOneProcess(t *testing.T) {
	var group sync.WaitGroup
	for i := range 3 {
		b := start(t, broker.Config{})
		group.Go(func() {
			topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := b.Client().Append(t.Context(), topic, oneEvent(fmt.Sprintf("own-%d", i), commitlog.NoStream)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func oneEvent(stream string, expected commitlog.Expected) commitlog.Append {
	return commitlog.Append{Writes: []commitlog.Write{{Stream: stream, Expected: expected, Events: []commitlog.NewRecord{{Value: []byte("{}")}}}}}
}

// TestTopics takes topics through their life, over the protocol and a restart.
func TestTopics(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	client := b.Client()
	if _, err := client.Topic(t.Context(), "events"); !errors.Is(err, commitlog.ErrUnknownTopic) || !strings.Contains(err.Error(), "events") {
		t.Errorf("an unknown topic: %v", err)
	}
	first, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 3, Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Partitions) != 3 || first.Shards != 2 {
		t.Errorf("created %+v", first)
	}
	for i := range 20 {
		if _, err := client.Append(t.Context(), first, oneEvent(fmt.Sprintf("s-%d", i), commitlog.NoStream)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"}); !errors.Is(err, commitlog.ErrTopicExists) {
		t.Errorf("created twice: %v", err)
	}
	for _, name := range []string{"", "a b", "a.>", "ü", strings.Repeat("n", 101)} {
		if _, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: name}); !errors.Is(err, commitlog.ErrInvalidName) {
			t.Errorf("topic %q: %v", name, err)
		}
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b = start(t, broker.Config{Dir: b.Dir()})
	client = b.Client()
	described, err := client.Topic(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, p := range described.Partitions {
		total += p.End
	}
	if described.ID != first.ID || total != 20 {
		t.Errorf("after a restart the topic has id %s and %d records", described.ID, total)
	}
	if err := client.DeleteTopic(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	second, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Append(t.Context(), first, oneEvent("s-1", commitlog.Any)); !errors.Is(err, commitlog.ErrUnknownTopic) {
		t.Errorf("appending to the deleted topic: %v", err)
	}
	for _, p := range second.Partitions {
		if p.End != 0 {
			t.Errorf("the new topic holds records of the old one: %+v", second)
		}
	}
	if left, err := filepath.Glob(filepath.Join(b.Dir(), "shards", first.ID.String()+"*")); err != nil || len(left) != 0 {
		t.Errorf("the deleted topic left %v (%v)", left, err)
	}
}

// TestAlterTopic: a node that runs keeps what a topic says from now on, and remembers it. That it looks by itself would take an hour.
func TestAlterTopic(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir(), RetentionInterval: time.Hour})
	client := b.Client()
	clicks, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 2, Shards: 2, RetentionAge: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	alter := func(topic commitlog.Topic, change commitlog.TopicChange) (commitlog.Topic, error) {
		return client.AlterTopic(t.Context(), topic.ID, change)
	}
	altered, err := alter(clicks, commitlog.TopicChange{RetentionBytes: new(int64(1))})
	if err != nil || altered.RetentionAge != 24*time.Hour || altered.RetentionBytes != 1 {
		t.Errorf("altered: %+v, %v", altered, err)
	}
	producer, err := client.Producer(t.Context(), clicks, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(t.Context())
	value := make([]byte, 600<<10)
	gone := func() bool {
		now, err := client.Topic(t.Context(), "clicks")
		if err != nil {
			t.Fatal(err)
		}
		return now.Partitions[0].Start > 0 && now.Partitions[1].Start > 0
	}
	for deadline := time.Now().Add(time.Minute); !gone(); {
		for partition := range int32(2) {
			if _, err := producer.Deliver(t.Context(), commitlog.Message{Value: value, Partition: &partition}); err != nil {
				t.Fatal(err)
			}
		}
		altered.RetentionBytes++
		if _, err := alter(clicks, commitlog.TopicChange{RetentionBytes: &altered.RetentionBytes}); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was deleted within a minute")
		}
	}
	if _, err := alter(clicks, commitlog.TopicChange{RetentionAge: new(time.Duration(0))}); err != nil {
		t.Error(err)
	}

	events, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alter(events, commitlog.TopicChange{RetentionBytes: new(int64(1))}); !errors.Is(err, commitlog.ErrInvalid) || !strings.Contains(err.Error(), `topic "events"`) {
		t.Errorf("altering a versioned topic: %v", err)
	}
	if err := client.DeleteTopic(t.Context(), events.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := alter(events, commitlog.TopicChange{}); !errors.Is(err, commitlog.ErrUnknownTopic) {
		t.Errorf("altering a deleted topic: %v", err)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := start(t, broker.Config{Dir: b.Dir()}).Client().Topic(t.Context(), "clicks")
	if err != nil || again.RetentionAge != 0 || again.RetentionBytes != altered.RetentionBytes {
		t.Errorf("after a restart: %+v, %v", again, err)
	}
}

// TestLimits: what is too large is refused before it is sent, with its size and the limit; what just fits is stored.
func TestLimits(t *testing.T) {
	b := start(t, broker.Config{})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	sized := func(n, count int) commitlog.Append {
		w := commitlog.Write{Stream: "s-1", Expected: commitlog.Any}
		for range count {
			w.Events = append(w.Events, commitlog.NewRecord{Value: make([]byte, n)})
		}
		return commitlog.Append{Writes: []commitlog.Write{w}}
	}
	for name, a := range map[string]commitlog.Append{
		"a record":  sized(wire.RecordBytesMax+1, 1),
		"an append": sized(wire.RecordBytesMax, 4),
	} {
		_, err := b.Client().Append(t.Context(), topic, a)
		large := new(commitlog.TooLargeError)
		if !errors.Is(err, commitlog.ErrAppendTooLarge) || !errors.As(err, &large) || large.Size <= large.Max {
			t.Errorf("%s that is too large: %v", name, err)
		}
	}
	done, err := b.Client().Append(t.Context(), topic, sized(wire.RecordBytesMax, 3))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for r, err := range b.Client().Records(t.Context(), topic, done.Writes[0].Partition, commitlog.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Value) != wire.RecordBytesMax {
			t.Errorf("record %d has %d bytes", n, len(r.Value))
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d records were read", n)
	}
}

// TestLargeCommand: what was written under one command id is read back whole, over as many answers as it takes.
func TestLargeCommand(t *testing.T) {
	b := start(t, broker.Config{})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	const events = wire.EventsMax
	w := commitlog.Write{Stream: "s-" + strings.Repeat("a", 200), Expected: commitlog.Any, CommandID: strings.Repeat("c", 250)}
	for range events {
		w.Events = append(w.Events, commitlog.NewRecord{Value: make([]byte, 10)})
	}
	if _, err := b.Client().Append(t.Context(), topic, oneEvent(w.Stream, commitlog.NoStream)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Client().Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{w}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Client().Append(t.Context(), topic, oneEvent(w.Stream, commitlog.StreamExists)); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for r, err := range b.Client().Stream(t.Context(), topic, commitlog.StreamQuery{Stream: w.Stream, CommandID: w.CommandID}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; r.Version != n+1 {
			t.Fatalf("event %d of the command is version %d", n, r.Version)
		}
	}
	if n != events {
		t.Errorf("%d of %d events of the command were read", n, events)
	}
}

// TestGarbage sends what no client sends to every subject of a node. It answers or is silent, and goes on serving.
func TestGarbage(t *testing.T) {
	b := start(t, broker.Config{Listen: "127.0.0.1:0"})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var list wire.TopicResponse
	request, err := (&wire.TopicRequest{Name: "events"}).AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := nc.Request(wire.NodeSubject(wire.SubjectTopicDescribe, nc.ConnectedServerId()), request, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Decode(answer.Data); err != nil {
		t.Fatal(err)
	}
	session := list.Topics[0].Shard[0].Session
	bombs := [][]byte{nil, {0}, {1}, []byte("garbage"), {1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, make([]byte, 1<<20)}
	for _, subject := range []string{
		wire.SubjectTopicCreate, wire.SubjectTopicDelete, wire.SubjectTopicAlter,
		wire.NodeSubject(wire.SubjectTopicDescribe, nc.ConnectedServerId()), wire.NodeSubject(wire.SubjectTopicList, nc.ConnectedServerId()),
		wire.ShardSubject(wire.VerbAppend, topic.ID, 0, session),
		wire.ShardSubject(wire.VerbFetch, topic.ID, 0, session),
		wire.ShardSubject(wire.VerbStream, topic.ID, 0, session),
	} {
		for i, bomb := range bombs {
			answer, err := nc.Request(subject, bomb, 5*time.Second)
			if err != nil {
				t.Errorf("%s: garbage %d: %v", subject, i, err)
			} else if len(answer.Data) == 0 {
				t.Errorf("%s: garbage %d was answered with nothing", subject, i)
			}
		}
	}
	if _, err := b.Client().Append(t.Context(), topic, oneEvent("s-1", commitlog.NoStream)); err != nil {
		t.Errorf("after the garbage: %v", err)
	}
}

// TestDamagedDirectory: a node whose own files are damaged or missing refuses to start and says which.
func TestDamagedDirectory(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(b.Dir(), "node.json")
	for name, damage := range map[string]func() error{
		"damaged": func() error { return os.WriteFile(path, []byte("{"), 0o600) },
		"missing": func() error { return os.Remove(path) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := broker.Start(t.Context(), broker.Config{Dir: b.Dir()}); err == nil || !strings.Contains(err.Error(), "node.json") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCloseUnderLoad: every append is either answered or indefinite when the node goes away, and what was answered is there afterwards.
func TestCloseUnderLoad(t *testing.T) {
	b := start(t, broker.Config{Dir: t.TempDir()})
	topic, err := b.Client().CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events"})
	if err != nil {
		t.Fatal(err)
	}
	a := newAcked()
	ended := make(chan struct{}, 8)
	for i := range cap(ended) {
		go func() {
			defer func() { ended <- struct{}{} }()
			for n := 0; ; n++ {
				id := uuid.New()
				stream := fmt.Sprintf("own-%d_%d", i, n)
				done, err := b.Client().Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{Stream: stream, Events: []commitlog.NewRecord{{ID: id}}}}})
				a.mu.Lock()
				switch {
				case err == nil:
					a.byID[id] = place{stream, done.Writes[0].FirstVersion}
				case errors.Is(err, commitlog.ErrIndefinite):
					a.indefinite[id] = true
				default:
					a.refused[id] = true
				}
				acked := len(a.byID)
				a.mu.Unlock()
				if err != nil {
					return
				}
				if acked > 200 {
					select {
					case a.progress <- struct{}{}:
					default:
					}
				}
			}
		}()
	}
	<-a.progress
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range cap(ended) {
		<-ended
	}
	b = start(t, broker.Config{Dir: b.Dir()})
	a.check(t, b.Client(), topic)
}
