package broker_test

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/commitlog"
)

// grave has a leader lose the first of two frames in flight, and keeps the second until the next leader's barrier has taken the place of the first: then the
// engine's own fence, which compares numbers, lets it in.
type grave struct {
	mu     sync.Mutex
	digger int // the node whose frames it takes, -1: nobody's
	seqs   []uint64
	zombie []byte           // the second frame, until it was let go
	taken  [2]chan struct{} // closed when it has the first frame, and the second
	landed chan shard.Ack   // the engine's answer to the second
}

// graveLog is the log of a node, with a grave between its sequencer and the engine.
type graveLog struct {
	shard.Log
	node  int
	grave *grave
}

type graveSession struct {
	shard.Session
	node    int
	grave   *grave
	acks    func(shard.Ack)
	barrier *shard.Ack // withheld until the zombie has landed
}

func (l graveLog) Session(id uint64, acks func(shard.Ack)) (shard.Session, error) {
	s := &graveSession{node: l.node, grave: l.grave, acks: acks}
	l.grave.mu.Lock()
	defer l.grave.mu.Unlock()
	inner, err := l.Log.Session(id, s.ack)
	s.Session = inner
	return s, err
}

func (s *graveSession) Publish(seq uint64, data []byte) error {
	g := s.grave
	g.mu.Lock()
	defer g.mu.Unlock()
	if s.node != g.digger || len(g.seqs) == 2 {
		return s.Session.Publish(seq, data)
	}
	if g.seqs = append(g.seqs, seq); len(g.seqs) == 2 {
		g.zombie = bytes.Clone(data)
	}
	close(g.taken[len(g.seqs)-1])
	return nil
}

func (s *graveSession) ack(a shard.Ack) {
	g := s.grave
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case s.barrier != nil:
		g.landed <- a
		s.acks(*s.barrier)
		s.barrier = nil
	case g.zombie == nil || s.node == g.digger || a.Err != nil || a.Seq != g.seqs[0]:
		s.acks(a)
	default:
		s.barrier = &a
		if err := s.Session.Publish(g.seqs[1], g.zombie); err != nil {
			g.landed <- shard.Ack{Err: err}
		}
		g.zombie = nil
	}
}

// TestZombie cuts a leader off with two frames in flight, of which the first is lost and the second gets to the engine behind the next leader's barrier. The
// engine takes it, at the place that it was meant for. It belongs to the log of nobody: its version was computed on a frame that is not there.
func TestZombie(t *testing.T) {
	g := &grave{digger: -1, taken: [2]chan struct{}{make(chan struct{}), make(chan struct{})}, landed: make(chan shard.Ack, 1)}
	c := brokertest.Cluster(t, 3, brokertest.Each(func(i int, cfg *broker.Config) {
		broker.Window(cfg, 2)
		broker.WrapLog(cfg, func(topic string, log shard.Log) shard.Log {
			if topic != "events" {
				return log
			}
			return graveLog{log, i, g}
		})
	}))
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	appendTo := func(client *commitlog.Client, expected commitlog.Expected) (uuid.UUID, error) {
		e := commitlog.NewRecord{ID: uuid.New(), Value: []byte("{}")}
		_, err := client.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{Stream: "a-1", Expected: expected, Events: []commitlog.NewRecord{e}}}})
		return e.ID, err
	}
	now, err := c.Client(0).Topic(t.Context(), topic.Name)
	if err != nil {
		t.Fatal(err)
	}
	former := c.Index(now.Partitions[0].Leader)
	g.mu.Lock()
	g.digger = former
	g.mu.Unlock()
	type told struct {
		id  uuid.UUID
		err error
	}
	var outcomes [2]chan told
	for i := range outcomes { // each by a client of its own, which has one request in flight
		client, err := commitlog.Config{AppendTimeout: time.Minute}.Dial(t.Context(), c.URL(former))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = client.Close() }()
		outcomes[i] = make(chan told, 1)
		go func() {
			id, err := appendTo(client, commitlog.Expected(i))
			outcomes[i] <- told{id, err}
		}()
		<-g.taken[i]
	}
	c.Isolate(former)
	want, err := appendTo(c.Client((former+1)%3), commitlog.NoStream)
	if err != nil {
		t.Fatalf("the first append to the next leader: %v", err)
	}
	if a := <-g.landed; a.Err != nil || a.Intended != g.seqs[1] || a.Seq != a.Intended {
		t.Fatalf("the engine did not take the zombie, so that this shows nothing: meant for %d, it answered %+v", g.seqs[1], a)
	}
	c.Heal()
	stored := []uuid.UUID{want}
	first, second := <-outcomes[0], <-outcomes[1]
	if !errors.Is(first.err, commitlog.ErrConflict) && !errors.Is(first.err, commitlog.ErrIndefinite) {
		t.Errorf("the append whose frame was lost, for a version that is taken: %v", first.err)
	}
	if second.err == nil { // it was sent again, and is what it expected to be behind
		stored = append(stored, second.id)
	} else if !errors.Is(second.err, commitlog.ErrIndefinite) {
		t.Errorf("the append of the zombie: %v", second.err)
	}
	last, err := appendTo(c.Client(former), commitlog.Expected(len(stored)))
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for healed := time.Now(); errors.Is(err, commitlog.ErrNotEnoughReplicas) && time.Since(healed) < 30*time.Second; <-poll.C { // it does not know of the others yet
		last, err = appendTo(c.Client(former), commitlog.Expected(len(stored)))
	}
	if err != nil {
		t.Fatalf("the stream does not go on at version %d: %v", len(stored), err)
	}
	stored = append(stored, last)
	for i := range c.Size() {
		var got []uuid.UUID
		for r, err := range c.Client(i).Records(t.Context(), topic, 0, commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Offset != int64(len(got)) {
				t.Errorf("offset %d follows %d others", r.Offset, len(got))
			}
			got = append(got, uuid.UUID(r.Headers[0].Value))
		}
		if diff := cmp.Diff(stored, got); diff != "" {
			t.Errorf("the log by node %d (-told +stored):\n%s", i, diff)
		}
	}
	void := func() (all []uint64) {
		for i := range c.Size() {
			for _, s := range c.Broker(i).Stats(t.Context()).Shards {
				if s.Topic == topic.Name {
					all = append(all, s.VoidFrames)
				}
			}
		}
		return all
	}
	one := []uint64{1, 1, 1}
	for began := time.Now(); !slices.Equal(void(), one); <-poll.C { // who was cut off has to catch up
		if time.Since(began) > 30*time.Second {
			t.Fatalf("the nodes count %v void frames", void())
		}
	}
}
