package broker_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strandlog/strand/commitlog"
)

// soakLoad does a bit of everything, at a pace that the machine can keep up with.
type soakLoad struct {
	t       *testing.T
	client  *commitlog.Client
	events  commitlog.Topic
	clicks  commitlog.Topic
	prices  commitlog.Topic
	running sync.WaitGroup

	appended, produced, put, read, folded, churned, eventBytes atomic.Int64
}

func newSoakLoad(t *testing.T, url string) *soakLoad {
	l := &soakLoad{t: t}
	l.client, l.events = dial(t, url)
	for topic, cfg := range map[*commitlog.Topic]commitlog.TopicConfig{
		&l.clicks: {Name: "clicks", Kind: commitlog.Plain, Partitions: 4, RetentionBytes: 16 << 20},
		&l.prices: {Name: "prices", Kind: commitlog.Table, Partitions: 4},
	} {
		created, err := l.client.CreateTopic(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		*topic = created
	}
	return l
}

func (l *soakLoad) progress() string {
	return fmt.Sprintf("%d events, %d records, %d puts, %d read, %d folded, %d topics", l.appended.Load(), l.produced.Load(), l.put.Load(), l.read.Load(), l.folded.Load(), l.churned.Load())
}

// start runs everything until ctx ends.
func (l *soakLoad) start(ctx context.Context) {
	for i := range soakAppenders {
		l.repeat(ctx, 4*time.Millisecond, l.appendOwn(i))
	}
	l.produce(ctx, l.clicks, &l.produced, time.Millisecond, 4, 0)
	l.produce(ctx, l.prices, &l.put, time.Millisecond, 1, 5000)
	for i := range 2 {
		l.repeat(ctx, 10*time.Millisecond, l.loadStream(i))
	}
	for partition := range l.clicks.Partitions {
		l.repeat(ctx, time.Second, l.follow(int32(partition)))
	}
	for partition := range l.events.Partitions {
		l.repeat(ctx, time.Second, l.fold(int32(partition)))
	}
	l.repeat(ctx, 200*time.Millisecond, l.churn)
}

// repeat runs a step again and again, at most so often. An error that is not the end fails the test.
func (l *soakLoad) repeat(ctx context.Context, every time.Duration, step func(context.Context) error) {
	l.running.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for ctx.Err() == nil {
			if err := step(ctx); err != nil && ctx.Err() == nil {
				l.t.Errorf("under load: %v", err)
				return
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
		}
	})
}

// What the appenders write: each has streams of its own, in turn.
const (
	soakAppenders = 8
	soakStreams   = 1000 // of each
)

func soakStream(writer, i int) string { return fmt.Sprintf("own-%d_%d", writer, i%soakStreams) }

// appendOwn appends conditionally.
func (l *soakLoad) appendOwn(writer int) func(context.Context) error {
	i := 0
	value := noise(256)
	return func(ctx context.Context) error {
		_, err := l.client.Append(ctx, l.events, commitlog.Append{Writes: []commitlog.Write{{
			Stream: soakStream(writer, i), Expected: commitlog.Expected(i / soakStreams), Events: []commitlog.NewRecord{{Value: value}},
		}}})
		i++
		if err == nil {
			l.appended.Add(1)
			l.eventBytes.Add(int64(len(value)))
		}
		return err
	}
}

// produce sends some records at a time, with keys of so many, or without any.
func (l *soakLoad) produce(ctx context.Context, topic commitlog.Topic, count *atomic.Int64, every time.Duration, burst, keys int) {
	to, err := l.client.Producer(l.t.Context(), topic, commitlog.ProducerConfig{Compression: commitlog.LZ4})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := to.Close(context.WithoutCancel(l.t.Context())); err != nil {
			l.t.Errorf("producing to %s: %v", topic.Name, err)
		}
	})
	i := 0
	value := noise(1 << 10)
	l.repeat(ctx, every, func(ctx context.Context) error {
		for range burst {
			m := commitlog.Message{Value: value}
			if keys > 0 {
				m.Key = fmt.Appendf(nil, "key-%d", i%keys)
			}
			i++
			if err := to.Send(ctx, m, func(_ commitlog.Delivery, err error) {
				if err == nil {
					count.Add(1)
				}
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadStream reads one stream after the other.
func (l *soakLoad) loadStream(writer int) func(context.Context) error {
	i := 0
	return func(ctx context.Context) error {
		i += 7
		for _, err := range l.client.Stream(ctx, l.events, commitlog.StreamQuery{Stream: soakStream(writer, i)}) {
			if err != nil {
				return err
			}
			l.read.Add(1)
		}
		return nil
	}
}

// follow reads what is produced, beginning anew when what it was to read next is deleted.
func (l *soakLoad) follow(partition int32) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, err := range l.client.Records(ctx, l.clicks, partition, commitlog.Range{From: commitlog.Earliest, Live: true}) {
			if errors.Is(err, commitlog.ErrOffsetOutOfRange) {
				return nil
			}
			if err != nil {
				return err
			}
			l.read.Add(1)
		}
		return nil
	}
}

// fold keeps a read model in memory: how many events each stream has.
func (l *soakLoad) fold(partition int32) func(context.Context) error {
	return func(ctx context.Context) error {
		events := map[string]int{}
		for r, err := range l.client.Records(ctx, l.events, partition, commitlog.Range{Live: true}) {
			if err != nil {
				return err
			}
			events[string(r.Key)]++
			l.folded.Add(1)
		}
		return nil
	}
}

// churn creates a topic, uses it and deletes it.
func (l *soakLoad) churn(ctx context.Context) error {
	topic, err := l.client.CreateTopic(ctx, commitlog.TopicConfig{Name: fmt.Sprintf("passing-%d", l.churned.Add(1)), Kind: commitlog.Plain, Partitions: 2})
	if err != nil {
		return err
	}
	to, err := l.client.Producer(ctx, topic, commitlog.ProducerConfig{})
	if err != nil {
		return err
	}
	_, err = to.Deliver(ctx, commitlog.Message{Value: []byte("passing")})
	return errors.Join(err, to.Close(ctx), l.client.DeleteTopic(ctx, topic.ID))
}

// noise is what cannot be compressed.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	return b
}
