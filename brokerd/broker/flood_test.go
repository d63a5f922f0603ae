package broker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// Bounds of what a node under abuse may have resident, whatever is thrown at it: a request of 4 MiB of each connection, queues, and what the garbage
// collector leaves for a while.
const (
	floodBytesMax = 2 << 30
	deafBytesMax  = 1536 << 20
)

// within checks the memory that the node ever had.
func (p *process) within(t *testing.T, bound int64) {
	t.Helper()
	peak := p.memory(t, "VmHWM")
	t.Logf("at most %d MiB were resident", peak>>20)
	if peak > bound && !raced {
		t.Errorf("%d MiB were resident, at most %d may be", peak>>20, bound>>20)
	}
}

// TestFlood has many connections send more than the disk takes: some wait for nothing at all, the others until their buffers are full. The node's
// memory stays bounded, producers are told to wait, and nothing is lost of what they were told is stored.
func TestFlood(t *testing.T) {
	if raced && full(0, 1) == 0 {
		t.Skip("NOT EXERCISED: with the race detector it takes a machine of its own: run it without, or make torture")
	}
	careless, careful, deliveries := 8, 24, 5000
	if raced {
		careless, careful, deliveries = 2, 6, 500
	}
	node := spawn(t, t.TempDir(), "127.0.0.1:0")
	client, _ := dial(t, node.url)
	topics := map[string]commitlog.Topic{}
	for _, name := range []string{"careless", "careful"} {
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: name, Kind: commitlog.Plain, Partitions: 4})
		if err != nil {
			t.Fatal(err)
		}
		topics[name] = topic
	}
	producer := func(topic string, cfg commitlog.ProducerConfig) *commitlog.Producer {
		c, err := commitlog.Dial(t.Context(), node.url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		cfg.BufferBytesMax, cfg.BufferWaitMax = 4<<20, 10*time.Millisecond
		to, err := c.Producer(t.Context(), topics[topic], cfg)
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	var producers []*commitlog.Producer
	for i := range careless + careful {
		if i < careless {
			producers = append(producers, producer("careless", commitlog.ProducerConfig{Acks: commitlog.AcksNone}))
		} else {
			producers = append(producers, producer("careful", commitlog.ProducerConfig{}))
		}
	}
	p := newProduced()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var exhausted atomic.Int64
	var all sync.WaitGroup
	for i, to := range producers {
		all.Go(func() { flood(ctx, t, to, p, i, i < careless, &exhausted) })
	}
	for p.count() < deliveries || exhausted.Load() < 100 {
		select {
		case <-p.progress:
		case <-ctx.Done():
			t.Fatalf("%d deliveries and %d full buffers in a minute", p.count(), exhausted.Load())
		}
	}
	stop()
	all.Wait()
	for _, to := range producers {
		if err := to.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d records delivered, %d not; %d times a buffer was full", len(p.delivered), len(p.failed), exhausted.Load())
	node.within(t, floodBytesMax)
	p.check(t, client, topics["careful"])
}

// flood sends as fast as it may, until ctx ends.
func flood(ctx context.Context, t *testing.T, to *commitlog.Producer, p *produced, sender int, careless bool, exhausted *atomic.Int64) {
	padding := noise(16 << 10)
	for i := 0; ctx.Err() == nil; i++ {
		name := fmt.Sprintf("%d/%08d", sender, i)
		m := commitlog.Message{Key: fmt.Appendf(nil, "key-%d", sender), Value: append([]byte(name+" "), padding...)}
		told := p.told(name)
		if careless {
			told = nil
		}
		err := to.Send(ctx, m, told)
		switch {
		case errors.Is(err, commitlog.ErrBufferExhausted):
			exhausted.Add(1)
		case err != nil && ctx.Err() == nil:
			t.Errorf("%s: %v", name, err)
			return
		case err == nil && !careless:
			p.mu.Lock()
			p.sent++
			p.mu.Unlock()
		}
	}
}
