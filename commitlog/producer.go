package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// Producer sends records to one plain or table topic, in batches, without waiting for each. It is safe for concurrent use, and meant to be shared.
//
// Records that one goroutine sends to one partition are stored in that order, each once at most, whatever is lost on the way. One that cannot be
// delivered does not hold up those behind it.
type Producer struct {
	client    *Client
	topic     Topic
	cfg       ProducerConfig
	codec     recordbatch.Codec
	recordMax int // bytes of a record alone in its batch

	lanes    []*lane // by partition
	senders  []*sender
	memory   *memory
	batches  sync.Pool // of *outgoing
	scratch  sync.Pool // of *[]byte, to compress into
	sticky   atomic.Int32
	hurrying atomic.Int32 // who waits for batches to be sent now
	failures failures

	taking  lifetime // of waiting for room; it ends when no more records are taken
	end     func()   // ends the senders
	running sync.WaitGroup
}

// Producer makes a producer. Its Close must be called. The error is ErrInvalid when the topic is versioned, or the configuration is not valid.
func (c *Client) Producer(ctx context.Context, t Topic, cfg ProducerConfig) (*Producer, error) {
	if err := checkTopic(t); err != nil {
		return nil, err
	}
	if t.Kind != Plain && t.Kind != Table {
		return nil, &InvalidError{Reason: fmt.Sprintf("topic %q is %s: write to it with Append", t.Name, t.Kind)}
	}
	requestBytesMax := c.requestBytesMax()
	cfg, err := cfg.check(requestBytesMax)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Producer{client: c, topic: t, cfg: cfg, recordMax: requestBytesMax - produceRequestOverhead, memory: newMemory(cfg.BufferBytesMax, cfg.BatchBytesMax)}
	p.codec, _ = cfg.Compression.codec()
	at := c.routesOf(t)
	for shard := range t.Shards {
		p.senders = append(p.senders, newSender(p, at, shard))
	}
	for partition := range int32(len(t.Partitions)) {
		s := p.senders[wire.ShardOf(partition, t.Shards)]
		l := &lane{producer: p, sender: s, partition: partition}
		s.lanes = append(s.lanes, l)
		p.lanes = append(p.lanes, l)
	}
	return p, p.start(ctx)
}

// start runs the senders, which outlive the caller's context.
func (p *Producer) start(ctx context.Context) error {
	c := p.client
	c.mu.Lock() // Close waits for no more behind this
	defer c.mu.Unlock()
	ctx, p.end = c.lifetime.bind(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		p.end()
		return ErrClosed
	}
	for _, s := range p.senders {
		p.running.Add(1)
		c.running.Go(func() {
			defer p.running.Done()
			s.run(ctx)
		})
	}
	return nil
}

// Send gives a record to the producer, which sends it as soon as it can. Then told, unless it is nil, is called once with where the record is stored,
// or with why it is not: ErrIndefinite when it may be stored, and any other error when it is not and never will be.
//
// When Send returns an error, the record is not sent and told is not called: ErrBufferExhausted when there is no room for BufferWaitMax,
// ErrAppendTooLarge, ErrInvalid, ErrClosed, ErrUnknownTopic or ctx's error. It waits for nothing but room. A Send that fills a batch also compresses it.
//
// Of one partition told is called in the order of the Sends, but for records that had to be sent again. It must not wait, and must not call Flush or
// Close: nothing is sent to the shard until it returns.
func (p *Producer) Send(ctx context.Context, m Message, told func(Delivery, error)) error {
	size, err := measureMessage(&p.topic, &m)
	if err != nil {
		return err
	}
	if whole := recordbatch.HeaderBytes + awaitedBytes + size; whole > p.recordMax {
		return &TooLargeError{What: "record bytes", Size: whole, Max: p.recordMax}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	granted := 0
	for {
		needs, err := p.laneOf(&m).add(&m, size, told, granted)
		if err != nil || needs == 0 {
			return err
		}
		if err := p.reserve(ctx, needs); err != nil {
			return err
		}
		granted = needs
	}
}

// Deliver sends a record and waits for its delivery. When ctx ends before, the error is ErrIndefinite: the record is not called back.
func (p *Producer) Deliver(ctx context.Context, m Message) (Delivery, error) {
	type outcome struct {
		delivery Delivery
		err      error
	}
	done := make(chan outcome, 1)
	if err := p.Send(ctx, m, func(d Delivery, err error) { done <- outcome{d, err} }); err != nil {
		return Delivery{}, err
	}
	select {
	case o := <-done:
		return o.delivery, o.err
	case <-ctx.Done():
		return Delivery{}, &IndefiniteSendError{Topic: p.topic.Name, Partition: -1, Cause: ctx.Err()}
	}
}

// laneOf chooses the partition of a record. Those without a key go to one partition until its batch is full or sent, and then to the next: so batches
// are as large as can be.
func (p *Producer) laneOf(m *Message) *lane {
	switch {
	case m.Partition != nil:
		return p.lanes[*m.Partition]
	case m.Key != nil:
		return p.lanes[partitioner.PartitionBytes(m.Key, len(p.lanes))]
	}
	return p.lanes[p.sticky.Load()]
}

// leave has records without a key go to the partition behind this one.
func (p *Producer) leave(partition int32) {
	p.sticky.CompareAndSwap(partition, (partition+1)%int32(len(p.lanes)))
}

// reserve waits for memory. Meanwhile no batch lingers: what is sent is what makes room.
func (p *Producer) reserve(ctx context.Context, bytes int) error {
	defer p.hurry()()
	ctx, release := p.taking.bind(ctx)
	defer release()
	limited, cancel := context.WithTimeout(ctx, p.cfg.BufferWaitMax)
	defer cancel()
	if p.memory.take(limited, bytes) == nil {
		return nil
	}
	if err := ended(ctx); err != nil {
		return err
	}
	return &BufferExhaustedError{Topic: p.topic.Name, Max: p.cfg.BufferBytesMax, Waited: p.cfg.BufferWaitMax}
}

// hurry keeps batches from lingering until the function that it returns is called.
func (p *Producer) hurry() func() {
	p.hurrying.Add(1)
	for _, s := range p.senders {
		s.signal()
	}
	return func() { p.hurrying.Add(-1) }
}

func (p *Producer) lingers() time.Duration {
	if p.hurrying.Load() > 0 {
		return 0
	}
	return p.cfg.Linger
}

// Flush sends what lingers and waits until every record that was sent before has its outcome and everybody was told. Then it returns
// ErrNotDelivered if any record was not delivered since the last Flush. When ctx ends before, it returns ctx's error.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.await(ctx); err != nil {
		return err
	}
	return p.failures.take(p.topic.Name)
}

func (p *Producer) await(ctx context.Context) error {
	defer p.hurry()()
	for _, l := range p.lanes {
		for _, done := range l.unfinished() {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// Close takes no more records and waits for those that were sent, as Flush does. Those that have no outcome when ctx ends are given up: everybody who
// waits for one is told ErrClosed or ErrIndefinite before Close returns. It returns ErrNotDelivered if any record was not delivered since the last Flush.
// A second Close does nothing.
func (p *Producer) Close(ctx context.Context) error {
	p.taking.end()
	for _, l := range p.lanes {
		l.close(ErrClosed)
	}
	_ = p.await(ctx) // its error is what became of the records
	p.end()
	p.running.Wait()
	return p.failures.take(p.topic.Name)
}

func (p *Producer) press(o *outgoing) {
	o.pressing.Lock() // whoever sealed it may be at it
	defer o.pressing.Unlock()
	o.press(p.codec, &p.scratch)
}

// fresh returns an empty batch.
func (p *Producer) fresh() *outgoing {
	if o, ok := p.batches.Get().(*outgoing); ok {
		return o
	}
	return new(outgoing)
}

// recycle takes back a batch that nobody knows any more.
func (p *Producer) recycle(o *outgoing) {
	if memory := o.leaveBuilder(); memory != nil {
		p.memory.reuse(memory)
	} else {
		p.memory.reuse(o.bytes)
	}
	clear(o.awaited)
	awaited := o.awaited[:0]
	*o = outgoing{builder: o.builder, awaited: awaited}
	p.batches.Put(o)
}

// failures counts the records that were not delivered.
type failures struct {
	mu    sync.Mutex
	count NotDeliveredError
}

func (f *failures) add(records int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count.Records == 0 {
		f.count.First = err
	}
	f.count.Records += records
	if errors.Is(err, ErrIndefinite) {
		f.count.Indefinite += records
	}
}

// take returns the count as an error and begins anew; nil when nothing failed.
func (f *failures) take(topic string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count.Records == 0 {
		return nil
	}
	count := f.count
	count.Topic, f.count = topic, NotDeliveredError{}
	return &count
}
