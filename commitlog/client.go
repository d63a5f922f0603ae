package commitlog

import (
	"context"
	"iter"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// Client speaks to the brokers of one log. It is safe for concurrent use; share one.
type Client struct{}

// Dial connects to the broker at url ("nats://host:port", several separated by commas). Options are for what the connection needs,
// such as credentials or TLS. The error is ErrUnavailable when nobody answers there.
func Dial(ctx context.Context, url string, options ...nats.Option) (*Client, error) {
	return nil, ErrClosed
}

// Connect makes a client on a connection that stays the caller's.
func Connect(nc *nats.Conn, cfg Config) (*Client, error) { return nil, ErrClosed }

// Close ends the client.
func (c *Client) Close() error { return nil }

// CreateTopic creates a topic.
func (c *Client) CreateTopic(ctx context.Context, cfg TopicConfig) (Topic, error) {
	return Topic{}, ErrClosed
}

// Topic looks a topic up by its name.
func (c *Client) Topic(ctx context.Context, name string) (Topic, error) { return Topic{}, ErrClosed }

// Topics lists all topics by name.
func (c *Client) Topics(ctx context.Context) ([]Topic, error) { return nil, ErrClosed }

// DeleteTopic deletes a topic with all its records.
func (c *Client) DeleteTopic(ctx context.Context, id uuid.UUID) error { return ErrClosed }

// Append stores an append as a whole or not at all.
func (c *Client) Append(ctx context.Context, t Topic, a Append) (Appended, error) {
	return Appended{}, ErrClosed
}

// Records reads a partition.
func (c *Client) Records(ctx context.Context, t Topic, partition int32, r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) { yield(Record{}, ErrClosed) }
}

// Stream reads one stream.
func (c *Client) Stream(ctx context.Context, t Topic, q StreamQuery) iter.Seq2[StreamRecord, error] {
	return func(yield func(StreamRecord, error) bool) { yield(StreamRecord{}, ErrClosed) }
}
