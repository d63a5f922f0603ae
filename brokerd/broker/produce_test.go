package broker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// produced remembers what a producer was told of records, whose values are their names.
type produced struct {
	mu        sync.Mutex
	delivered map[string]commitlog.Delivery
	failed    map[string]error
	sent      int
	progress  chan struct{} // a token for a delivery
}

func newProduced() *produced {
	return &produced{delivered: map[string]commitlog.Delivery{}, failed: map[string]error{}, progress: make(chan struct{}, 1)}
}

func (p *produced) told(name string) func(commitlog.Delivery, error) {
	return func(d commitlog.Delivery, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if err != nil {
			p.failed[name] = err
			return
		}
		p.delivered[name] = d
		select {
		case p.progress <- struct{}{}:
		default:
		}
	}
}

// count is how many records were delivered so far.
func (p *produced) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.delivered)
}

// check compares a whole topic with what was told: each delivered record once and in its place, those of one key in the order of their sends, and
// nothing that was refused. A name is "sender/number", and all records of a sender go to one partition.
func (p *produced) check(t *testing.T, client *commitlog.Client, topic commitlog.Topic) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if told := len(p.delivered) + len(p.failed); told != p.sent {
		t.Errorf("%d of %d records were told", told, p.sent)
	}
	stored := map[string]bool{}
	for partition := range topic.Partitions {
		newest := map[string]string{}
		for r, err := range client.Records(t.Context(), topic, int32(partition), commitlog.Range{From: commitlog.Earliest}) {
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(string(r.Value), " ")
			sender, _, _ := strings.Cut(name, "/")
			if stored[name] || newest[sender] >= name {
				t.Fatalf("partition %d, offset %d: %s is stored twice or after %s", partition, r.Offset, name, newest[sender])
			}
			stored[name], newest[sender] = true, name
			if d, ok := p.delivered[name]; ok && (d.Partition != r.Partition || d.Offset != r.Offset || !d.Time.Equal(r.Time)) {
				t.Fatalf("%s was delivered to %+v and is at %d of partition %d, of %v", name, d, r.Offset, r.Partition, r.Time)
			}
			if err, ok := p.failed[name]; ok && !errors.Is(err, commitlog.ErrIndefinite) {
				t.Fatalf("%s was refused (%v) and is stored", name, err)
			}
		}
	}
	for name := range p.delivered {
		if !stored[name] {
			t.Fatalf("%s was delivered to %+v and is not stored", name, p.delivered[name])
		}
	}
}

// send sends records of one key, one after the other, until ctx ends.
func (p *produced) send(ctx context.Context, t *testing.T, to *commitlog.Producer, sender, most int) {
	for i := range most {
		name := fmt.Sprintf("%d/%08d", sender, i)
		m := commitlog.Message{Key: fmt.Appendf(nil, "key-%d", sender), Value: []byte(name + " " + strings.Repeat("some text ", rand.IntN(30)))}
		if err := to.Send(ctx, m, p.told(name)); err != nil {
			if ctx.Err() == nil {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		p.mu.Lock()
		p.sent++
		p.mu.Unlock()
	}
}

func TestProduceWithEveryCodec(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	client := b.Client()
	for i, compression := range []commitlog.Compression{commitlog.Uncompressed, commitlog.Zstd, commitlog.LZ4, commitlog.S2} {
		topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: fmt.Sprintf("clicks-%d", i), Kind: commitlog.Plain, Partitions: 4, Shards: 2})
		if err != nil {
			t.Fatal(err)
		}
		to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{Compression: compression, BatchBytesMax: 32 << 10})
		if err != nil {
			t.Fatal(err)
		}
		p := newProduced()
		var all sync.WaitGroup
		for sender := range 4 {
			all.Go(func() { p.send(t.Context(), t, to, sender, 3000) })
		}
		all.Wait()
		if err := to.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(p.delivered) != 4*3000 {
			t.Errorf("%d delivered", len(p.delivered))
		}
		p.check(t, client, topic)
	}
}

func TestTableOfTheLatest(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	client := b.Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "prices", Kind: commitlog.Table, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{Compression: commitlog.Zstd})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		m := commitlog.Message{Key: fmt.Appendf(nil, "key-%d", i%50), Value: fmt.Append(nil, i), Headers: []commitlog.Header{{Key: "h", Value: []byte("x")}}}
		if err := to.Send(t.Context(), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := to.Deliver(t.Context(), commitlog.Message{Key: []byte("key-7")}); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		r, ok, err := client.Get(t.Context(), topic, fmt.Appendf(nil, "key-%d", i), commitlog.Strict())
		if err != nil || ok != (i != 7) || ok && (string(r.Value) != fmt.Sprint(450+i) || len(r.Headers) != 1) {
			t.Errorf("key %d: %q, %t, %v", i, r.Value, ok, err)
		}
	}
	if _, ok, err := client.Get(t.Context(), topic, []byte("nobody")); ok || err != nil {
		t.Errorf("a key that was never written: %t, %v", ok, err)
	}
}

func TestDeleteBeforeAndReadFromTheEarliest(t *testing.T) {
	b, err := broker.Start(t.Context(), broker.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	client := b.Client()
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 1, RetentionAge: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := to.Send(t.Context(), commitlog.Message{Value: fmt.Append(nil, i)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	start, err := client.DeleteBefore(t.Context(), topic, 0, 400)
	if err != nil || start != 400 {
		t.Fatalf("start %d, %v", start, err)
	}
	next := start
	for r, err := range client.Records(t.Context(), topic, 0, commitlog.Range{From: commitlog.Earliest}) {
		if err != nil || r.Offset != next || string(r.Value) != fmt.Sprint(next) {
			t.Fatalf("offset %d holds %q where %d must be: %v", r.Offset, r.Value, next, err)
		}
		next++
	}
	if next != 1000 {
		t.Errorf("the records end at %d", next)
	}
	for _, err := range client.Records(t.Context(), topic, 0, commitlog.Range{}) {
		if outside, ok := errors.AsType[*commitlog.OffsetRangeError](err); !ok || outside.Start != 400 || outside.End != 1000 {
			t.Errorf("reading from 0: %v", err)
		}
	}
	if _, err := client.DeleteBefore(t.Context(), topic, 0, 1001); !errors.Is(err, commitlog.ErrOffsetOutOfRange) {
		t.Errorf("beyond the end: %v", err)
	}
}

// TestKillUnderProduce kills the node under load, again and again: no record is lost, stored twice, or out of its order.
func TestKillUnderProduce(t *testing.T) {
	const senders = 6
	rounds := full(4, 40)
	dir := t.TempDir()
	node := spawn(t, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(node.url, "nats://")
	client, _ := dial(t, node.url)
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{BatchBytesMax: 16 << 10, BufferBytesMax: 4 << 20, Compression: commitlog.LZ4, BufferWaitMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	p := newProduced()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() { p.send(ctx, t, to, i, 1<<30) })
	}
	for range rounds {
		for range 10 + rand.IntN(500) {
			select {
			case <-p.progress:
			case <-time.After(30 * time.Second):
				t.Fatal("no record was delivered within 30 s of a restart")
			}
		}
		node.kill(t)
		node = spawn(t, dir, listen)
	}
	stop()
	all.Wait()
	if err := to.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("%d records delivered, %d not", len(p.delivered), len(p.failed))
	p.check(t, client, topic)
	node.kill(t)
}

// TestStalledNodeFillsTheBuffer stops the node's process: a producer's memory stays bounded, and nothing is lost when the node goes on.
func TestStalledNodeFillsTheBuffer(t *testing.T) {
	node := spawn(t, t.TempDir(), "127.0.0.1:0")
	client, _ := dial(t, node.url)
	topic, err := client.CreateTopic(t.Context(), commitlog.TopicConfig{Name: "clicks", Kind: commitlog.Plain, Partitions: 4})
	if err != nil {
		t.Fatal(err)
	}
	to, err := client.Producer(t.Context(), topic, commitlog.ProducerConfig{BufferBytesMax: 4 << 20, BufferWaitMax: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Deliver(t.Context(), commitlog.Message{Value: []byte("0/first")}); err != nil {
		t.Fatal(err)
	}
	if err := node.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p := newProduced()
	for {
		name := fmt.Sprintf("1/%08d", p.sent)
		err := to.Send(t.Context(), commitlog.Message{Key: []byte("key"), Value: []byte(name + strings.Repeat(" ", 50<<10))}, p.told(name))
		if errors.Is(err, commitlog.ErrBufferExhausted) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.sent++; p.sent > 200 {
			t.Fatal("200 records of 50 KiB found room in 4 MiB")
		}
	}
	if err := node.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(p.delivered) != p.sent {
		t.Errorf("%d of %d delivered", len(p.delivered), p.sent)
	}
	p.check(t, client, topic)
}
