package brokertest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// put stores the latest value of a key in a table.
func put(t *testing.T, client *commitlog.Client, table commitlog.Topic, key, value string) commitlog.Delivery {
	t.Helper()
	producer, err := client.Producer(t.Context(), table, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var at commitlog.Delivery
	var failed error
	if err := producer.Send(t.Context(), commitlog.Message{Key: []byte(key), Value: []byte(value)}, func(d commitlog.Delivery, err error) { at, failed = d, err }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(producer.Close(t.Context()), failed); err != nil {
		t.Fatal(err)
	}
	return at
}

// session asks one node, past any client that would look for a better one.
type session struct {
	t     *testing.T
	nc    *nats.Conn
	topic commitlog.Topic
	info  wire.ShardInfo
}

func newSession(t *testing.T, url string, topic commitlog.Topic) *session {
	t.Helper()
	return newShardSession(t, url, topic, 0)
}

func newShardSession(t *testing.T, url string, topic commitlog.Topic, shard int) *session {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s := &session{t: t, nc: nc, topic: topic}
	request := wire.TopicRequest{Name: topic.Name}
	payload, err := request.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nc.Request(wire.NodeSubject(wire.SubjectTopicDescribe, nc.ConnectedServerId()), payload, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var r wire.TopicResponse
	if err := r.Decode(m.Data); err != nil {
		t.Fatal(err)
	}
	s.info = r.Topics[0].Shard[shard]
	return s
}

// ask gives no answer where nobody serves the session any more, or nobody answers in time: that is a refusal.
func (s *session) ask(verb string, payload []byte) ([]byte, bool) {
	s.t.Helper()
	m, err := s.nc.Request(wire.ShardSubject(verb, s.topic.ID, s.info.Shard, s.info.Session), payload, 4*time.Second)
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrTimeout):
		return nil, false
	case err != nil:
		s.t.Fatal(err)
	}
	return m.Data, true
}

func (s *session) get(r wire.GetRequest) (wire.GetResponse, bool) {
	s.t.Helper()
	var resp wire.GetResponse
	answer, ok := s.ask(wire.VerbGet, r.AppendTo(nil))
	if ok {
		if err := resp.Decode(answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return resp, ok
}

func (s *session) fetch(r wire.FetchRequest) (wire.FetchResponse, bool) {
	s.t.Helper()
	var resp wire.FetchResponse
	answer, ok := s.ask(wire.VerbFetch, r.AppendTo(nil))
	if ok {
		if err := resp.Decode(answer); err != nil {
			s.t.Fatal(err)
		}
	}
	return resp, ok
}

// TestReadsOfIsolatedLeader cuts a leader off and has the others store more. Whoever has seen that, or asks strictly, is not answered from what the former
// leader has.
func TestReadsOfIsolatedLeader(t *testing.T) {
	t.Parallel() // it mostly waits
	c := brokertest.Cluster(t, 3)
	table, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "prices", Kind: commitlog.Table, Partitions: 1, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, c.Client(0), table, "gold", "1")
	alone := leader(t, c, c.Client(0), table)
	other := (alone + 1) % 3
	former := newSession(t, c.URL(alone), table)
	key := []byte("gold")
	// The same questions are answered while it leads, or their refusals would say nothing.
	if r, ok := former.get(wire.GetRequest{Key: key, Strict: true, MinEpoch: former.info.Epoch, MinOffset: 1}); !ok || r.Code != wire.OK || r.Record == nil {
		t.Fatalf("a strict get at the leader: %+v, %t", r, ok)
	}
	if r, ok := former.fetch(wire.FetchRequest{MaxBytes: 1 << 20, MinEpoch: former.info.Epoch, MinOffset: 1}); !ok || r.Code != wire.OK || r.HighWatermark != 1 {
		t.Fatalf("a fetch at the leader: %+v, %t", r, ok)
	}

	c.Isolate(alone)
	cut := time.Now()
	put(t, c.Client(other), table, "gold", "2")
	t.Logf("the others stored the next value after %v", time.Since(cut))
	newer := newSession(t, c.URL(other), table)
	if newer.info.Epoch <= former.info.Epoch || newer.info.Session == former.info.Session {
		t.Fatalf("the others serve epoch %d, the isolated leader has %d", newer.info.Epoch, former.info.Epoch)
	}
	if r, ok := former.get(wire.GetRequest{Key: key, MinEpoch: newer.info.Epoch}); ok && r.Code == wire.OK {
		t.Errorf("a get that has seen epoch %d was answered by the isolated leader in epoch %d", newer.info.Epoch, r.Epoch)
	} else {
		t.Logf("a get that has seen more: answered %t, %v", ok, r.Code)
	}
	if r, ok := former.get(wire.GetRequest{Key: key, MinOffset: 2}); ok && r.Code == wire.OK {
		t.Errorf("a get that has seen offset 2 was answered by the isolated leader with that of offset %d", r.Offset)
	}
	if r, ok := former.fetch(wire.FetchRequest{MaxBytes: 1 << 20, MinEpoch: newer.info.Epoch}); ok && r.Code == wire.OK {
		t.Errorf("a fetch that has seen epoch %d was answered by the isolated leader in epoch %d", newer.info.Epoch, r.Epoch)
	}
	if r, ok := former.fetch(wire.FetchRequest{MaxBytes: 1 << 20, MinEpoch: former.info.Epoch, MinOffset: 2}); ok && r.Code == wire.OK {
		t.Errorf("a fetch that has seen offset 2 was answered by the isolated leader, which ends at %d", r.HighWatermark)
	}
	if r, ok := former.get(wire.GetRequest{Key: key, Strict: true}); ok && r.Code == wire.OK {
		t.Errorf("a strict get was answered by the isolated leader with offset %d", r.Offset)
	} else {
		t.Logf("a strict get: answered %t, %v %s", ok, r.Code, r.Detail)
	}
	client, err := commitlog.Config{ReadTimeout: 5 * time.Second}.Dial(t.Context(), c.URL(alone))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if r, ok, err := client.Get(t.Context(), table, key, commitlog.Strict()); !errors.Is(err, commitlog.ErrUnavailable) {
		t.Errorf("a client of the isolated leader: %q, %t, %v", r.Value, ok, err)
	}

	c.Heal()
	eventually(t, 30*time.Second, "the former leader's client sees what was stored", func() bool {
		r, ok, err := client.Get(t.Context(), table, key, commitlog.Strict())
		if err == nil && (!ok || string(r.Value) != "2") {
			t.Fatalf("a strict get was answered %q, %t", r.Value, ok)
		}
		return err == nil
	})
}
