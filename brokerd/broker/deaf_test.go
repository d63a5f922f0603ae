package broker_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// TestDeafConsumers has connections ask for much and read nothing of it. The node's memory stays bounded, and another consumer goes on.
func TestDeafConsumers(t *testing.T) {
	if raced && full(0, 1) == 0 {
		t.Skip("NOT EXERCISED: with the race detector it takes a machine of its own: run it without, or make torture")
	}
	const records, fetches = 256, 24 // of 64 KiB, and of 4 MiB for each connection
	deaf := 24
	if raced {
		deaf = 6
	}
	node := spawn(t, t.TempDir(), "127.0.0.1:0")
	client, _ := dial(t, node.url)
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range records {
		if err := to.Send(t.Context(), commitlog.Message{Value: make([]byte, 64<<10)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func() time.Duration {
		began, n := time.Now(), 0
		for _, err := range client.Records(t.Context(), topic, 0, commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		if n != records {
			t.Fatalf("%d records of %d", n, records)
		}
		return time.Since(began)
	}
	alone := read()
	session := fetchSubject(t, node.url, topic.Name)
	for range deaf {
		beDeaf(t, node.url, session, fetches)
	}
	first, worst := read(), time.Duration(0)
	for range 20 {
		worst = max(worst, read())
	}
	t.Logf("a consumer needs %v alone, %v beside %d deaf ones at first, and %v at most later", alone, first, deaf, worst)
	node.within(t, deafBytesMax)
}

// fetchSubject is where the session of a topic's first shard takes fetches.
func fetchSubject(t *testing.T, url, topic string) string {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	req := wire.TopicRequest{Name: topic}
	question, err := req.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	msg, err := nc.Request(wire.NodeSubject(wire.SubjectTopicDescribe, nc.ConnectedServerId()), question, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var r wire.TopicResponse
	if err := r.Decode(msg.Data); err != nil {
		t.Fatal(err)
	}
	return wire.ShardSubject(wire.VerbFetch, r.Topics[0].ID, 0, r.Topics[0].Shard[0].Session)
}

// beDeaf asks for so many answers of 4 MiB and reads none of them.
func beDeaf(t *testing.T, url, subject string, fetches int) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	req := wire.FetchRequest{MaxBytes: wire.FetchBytesMax}
	payload := req.AppendTo(nil)
	inbox := nats.NewInbox()
	var ask strings.Builder
	fmt.Fprintf(&ask, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB %s.* 1\r\n", inbox)
	for range fetches {
		fmt.Fprintf(&ask, "PUB %s %s.1 %d\r\n%s\r\n", subject, inbox, len(payload), payload)
	}
	if _, err := conn.Write([]byte(ask.String())); err != nil {
		t.Fatal(err)
	}
}
