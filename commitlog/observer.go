package commitlog

import (
	"context"

	"github.com/nats-io/nats.go"
)

// Observer is told what a client does and how it ended. Each method is called when something begins, gives the context with which it goes on,
// and a function that is called once with how it ended. Its methods are called by any number of goroutines, on the path of the thing itself.
//
// Package telemetry has one that makes metrics and traces. Without one, nothing is measured and nothing allocated.
type Observer interface {
	// SendStart is called for every append that was found fit to be sent, and for every batch of a [Producer] when it is first sent.
	SendStart(ctx context.Context, s SendInfo) (context.Context, func(SendResult))
	// FetchStart is called for every part of a partition that is asked for. A live one lasts as long as there is nothing to be had.
	FetchStart(ctx context.Context, f FetchInfo) (context.Context, func(FetchResult))
}

// SendInfo is an append, or a batch, that is to be sent.
type SendInfo struct {
	Topic   string
	Records int
	Bytes   int // as sent
}

// SendResult is how it ended. The error is the one that its caller gets.
type SendResult struct{ Err error }

// FetchInfo is a part of a partition that is asked for.
type FetchInfo struct {
	Topic     string
	Partition int32
	Offset    int64
	Live      bool
}

// FetchResult is what a fetch brought. When the reader has had enough the error is that of its context.
type FetchResult struct {
	Records int
	Bytes   int // as stored
	Err     error
}

// Dial is [Dial] with a configuration.
func (c Config) Dial(ctx context.Context, url string, options ...nats.Option) (*Client, error) {
	return dial(ctx, c, url, options)
}

// submit sends an append under the eyes of the observer, if there is one.
func (c *Client) submit(ctx context.Context, shard int, t Topic, p *pending) error {
	if c.cfg.Observer == nil {
		return c.enqueue(ctx, shard, t, p)
	}
	ctx, done := c.cfg.Observer.SendStart(ctx, SendInfo{Topic: t.Name, Records: len(p.ids), Bytes: len(p.body)})
	err := c.enqueue(ctx, shard, t, p)
	done(SendResult{Err: err})
	return err
}

// observe begins the observation of the batches that are about to be sent for the first time.
func (s *sender) observe(ctx context.Context, batches []*outgoing) {
	observer := s.producer.client.cfg.Observer
	if observer == nil {
		return
	}
	for _, o := range batches {
		_, o.observed = observer.SendStart(ctx, SendInfo{Topic: s.topic(), Records: len(o.awaited), Bytes: len(o.bytes)})
	}
}

// observed is fetch under the eyes of the observer, if there is one.
func (f *fetcher) observed(ctx context.Context) fetched {
	observer := f.client.cfg.Observer
	if observer == nil {
		return f.fetch(ctx)
	}
	ctx, done := observer.FetchStart(ctx, FetchInfo{Topic: f.topic, Partition: f.partition, Offset: f.next, Live: f.live})
	got := f.fetch(ctx)
	r := FetchResult{Err: got.err}
	for i := range got.batches {
		r.Records += got.batches[i].Info().Count
		r.Bytes += len(got.batches[i].Bytes())
	}
	done(r)
	return got
}
