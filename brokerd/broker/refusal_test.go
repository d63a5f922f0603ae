package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/commitlog"
)

// lies are what a proxy between sequencer and engine does with a frame that it says was refused.
const (
	stored        = iota // it gets to the engine, whose answer comes after the refusal
	beforeBarrier        // it gets to the engine as late as the barrier that is to prove what became of it, and before that
	afterBarrier         // it gets there when the barrier was acknowledged
	lies
)

// liar answers some publishes with a wrong-last-sequence error, as a deposed leader does while another one commits what it was sent.
type liar struct {
	every int

	mu     sync.Mutex
	frames int
	told   [lies]int
	held   *heldFrame // of an earlier session
	kind   int        // of held
}

type heldFrame struct {
	session shard.Session
	seq     uint64
	data    []byte
}

// release sends what was held, if it is of this kind.
func (l *liar) release(kind int) {
	if l.held == nil || l.kind != kind {
		return
	}
	_ = l.held.session.Publish(l.held.seq, l.held.data) // the engine's answer goes to nobody
	l.held = nil
}

// lyingLog is a log behind a liar.
type lyingLog struct {
	shard.Log
	liar *liar
}

func (l lyingLog) Session(id uint64, acks func(shard.Ack)) (shard.Session, error) {
	s := &lyingSession{liar: l.liar, acks: acks}
	inner, err := l.Log.Session(id, func(a shard.Ack) {
		if a.Err == nil {
			l.liar.mu.Lock()
			l.liar.release(afterBarrier)
			l.liar.mu.Unlock()
		}
		acks(a)
	})
	s.inner = inner
	return s, err
}

type lyingSession struct {
	liar      *liar
	inner     shard.Session
	acks      func(shard.Ack)
	published int
	lied      bool
}

func (s *lyingSession) Publish(seq uint64, data []byte) error {
	l := s.liar
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(beforeBarrier)
	if s.published++; s.published > 1 { // the first is the barrier
		l.frames++
	}
	if s.published == 1 || s.lied || l.held != nil || l.frames%l.every != 0 {
		return s.inner.Publish(seq, data)
	}
	s.lied = true
	refused := &engine.AckError{Status: 400, Code: 10071, Description: fmt.Sprintf("wrong last sequence: %d", seq)}
	kind := (l.told[stored] + l.told[beforeBarrier] + l.told[afterBarrier]) % lies
	l.told[kind]++
	if kind != stored {
		l.held, l.kind = &heldFrame{s.inner, seq, bytes.Clone(data)}, kind
		s.acks(shard.Ack{Intended: seq, Err: refused})
		return nil
	}
	s.acks(shard.Ack{Intended: seq, Err: refused}) // before the engine has seen it
	return s.inner.Publish(seq, data)
}

// Close leaves the connection to the frame that is held.
func (s *lyingSession) Close() error {
	s.liar.mu.Lock()
	defer s.liar.mu.Unlock()
	if s.liar.held != nil && s.liar.held.session == s.inner {
		inner := s.inner
		s.liar.held.session = closeAfter{inner}
		return nil
	}
	return s.inner.Close()
}

// closeAfter closes a session behind its last frame.
type closeAfter struct{ shard.Session }

func (c closeAfter) Publish(seq uint64, data []byte) error {
	return errors.Join(c.Session.Publish(seq, data), c.Session.Close())
}

// TestRefusalsThatAreNone has the sequencer be told that frames were refused which are stored, or will be, before and after it has asked what became of them.
// Clients are told the truth: every event is stored once, at the version that was answered.
func TestRefusalsThatAreNone(t *testing.T) {
	l := &liar{every: 20}
	c := brokertest.Cluster(t, 3, brokertest.Each(func(_ int, cfg *broker.Config) {
		broker.WrapLog(cfg, func(topic string, log shard.Log) shard.Log {
			if topic != "events" {
				return log
			}
			return lyingLog{log, l}
		})
	}))
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 2, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const writers = 6
	appended := make([][]uuid.UUID, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			stream := fmt.Sprintf("own-%d", i)
			for v := int64(0); ctx.Err() == nil; v++ {
				e := commitlog.NewRecord{ID: uuid.New(), Value: []byte("{}")}
				done, err := c.Client(i%3).Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{
					Stream: stream, Expected: commitlog.Expected(v), Events: []commitlog.NewRecord{e},
				}}})
				if err != nil {
					t.Errorf("version %d of %s: %v", v+1, stream, err)
					return
				}
				if got := done.Writes[0].FirstVersion; got != v+1 {
					t.Errorf("version %d of %s was answered %d", v+1, stream, got)
				}
				appended[i] = append(appended[i], e.ID)
			}
		})
	}
	deadline := time.Now().Add(time.Minute)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for enough := false; !enough; <-poll.C {
		l.mu.Lock()
		enough = l.told[afterBarrier] >= full(4, 100)
		told := l.told
		l.mu.Unlock()
		if t.Failed() || time.Now().After(deadline) {
			t.Fatalf("after %v lies", told)
		}
	}
	stop()
	group.Wait()
	t.Logf("%d frames, of which %v were lied about", l.frames, l.told)
	seen := map[string][]uuid.UUID{}
	for p := range topic.Partitions {
		for r, err := range c.Client(0).Records(t.Context(), topic, int32(p), commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen[string(r.Key)] = append(seen[string(r.Key)], uuid.UUID(r.Headers[0].Value))
		}
	}
	for i, ids := range appended {
		got := seen[fmt.Sprintf("own-%d", i)]
		if len(got) != len(ids) {
			t.Errorf("writer %d was answered %d times, %d events are stored", i, len(ids), len(got))
			continue
		}
		for v := range ids {
			if got[v] != ids[v] {
				t.Errorf("version %d of writer %d is another event", v+1, i)
			}
		}
	}
}
