package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
)

// Client speaks to the brokers of one log. It is safe for concurrent use, and meant to be shared.
type Client struct {
	cfg      Config
	conn     transport
	lifetime lifetime
	running  sync.WaitGroup // the appenders' goroutines
	packers  sync.Pool      // of *packer
	pendings sync.Pool      // of *pending

	mu        sync.Mutex // guards the maps; lifetime.mu may be taken within
	routes    map[uuid.UUID]*routes
	appenders map[shardID]*appender
	groups    *Topic // the one in which groups are kept; nil: not looked up yet
}

type shardID struct {
	topic uuid.UUID
	shard int
}

// Dial connects to the brokers at url: "nats://host:port", several separated by commas. Options say what the connection itself needs,
// such as credentials or TLS. The error matches ErrUnavailable when nobody answers there before ctx ends.
func Dial(ctx context.Context, url string, options ...nats.Option) (*Client, error) {
	return dial(ctx, Config{}, url, options)
}

func dial(ctx context.Context, cfg Config, url string, options []nats.Option) (*Client, error) {
	options = append([]nats.Option{
		nats.Name("strand commitlog"),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectBufSize(-1), // what cannot be sent now is sent again by the client, which knows whether it still should be
		nats.PingInterval(5 * time.Second),
		nats.WriteBufferSize(1), // whoever asks also writes: waking nats.go's flusher for it would add to what everybody waits
	}, options...)
	type dialed struct {
		nc  *nats.Conn
		err error
	}
	done := make(chan dialed)
	go func() { // nats.go knows no contexts: a dial that nobody waits for any more ends by its own timeout
		nc, err := nats.Connect(url, options...)
		select {
		case done <- dialed{nc, err}:
		case <-ctx.Done():
			if err == nil {
				nc.Close()
			}
		}
	}()
	select {
	case d := <-done:
		if d.err != nil {
			return nil, &UnavailableError{URL: url, Doing: "connecting", Cause: d.err}
		}
		return newClient(newConnection(d.nc, true), cfg), nil
	case <-ctx.Done():
		return nil, &UnavailableError{URL: url, Doing: "connecting", Cause: ctx.Err()}
	}
}

// Connect makes a client on a connection that stays the caller's: Close leaves it open.
func Connect(nc *nats.Conn, cfg Config) (*Client, error) {
	if nc == nil || nc.IsClosed() {
		return nil, fmt.Errorf("commitlog: connecting: %w", errors.Join(ErrClosed, nats.ErrConnectionClosed))
	}
	return newClient(newConnection(nc, false), cfg), nil
}

func newClient(conn transport, cfg Config) *Client {
	return &Client{
		cfg:       cfg.withDefaults(),
		conn:      conn,
		routes:    make(map[uuid.UUID]*routes),
		appenders: make(map[shardID]*appender),
	}
}

// Close ends the client at once: appends that wait fail with ErrClosed, those in flight with ErrIndefinite, reads with ErrClosed.
// A second Close does nothing.
func (c *Client) Close() error {
	c.mu.Lock() // appenderOf starts none behind this
	first := c.lifetime.end()
	c.mu.Unlock()
	if first {
		c.conn.close()
	}
	c.running.Wait()
	return nil
}

// routesOf returns what the client knows about where a topic is served.
func (c *Client) routesOf(t Topic) *routes {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.routes[t.ID]
	if !ok {
		r = newRoutes(c, t)
		c.routes[t.ID] = r
	}
	return r
}

// appenderOf returns the appender of a shard and starts it at its first use.
func (c *Client) appenderOf(ctx context.Context, t Topic, shard int) (*appender, error) {
	at := c.routesOf(t)
	c.mu.Lock()
	defer c.mu.Unlock()
	id := shardID{t.ID, shard}
	if a, ok := c.appenders[id]; ok {
		return a, nil
	}
	// The appender outlives this caller: it serves all who come after.
	ctx, release := c.lifetime.bind(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		release()
		return nil, ErrClosed
	}
	a := newAppender(c, at, shard)
	c.appenders[id] = a
	c.running.Go(func() {
		defer release()
		a.run(ctx)
	})
	return a, nil
}

// retire forgets an appender that has stopped, and with it the topic.
func (c *Client) retire(a *appender) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.appenders, shardID{a.routes.id, a.shard})
	if c.routes[a.routes.id] == a.routes {
		delete(c.routes, a.routes.id)
	}
}

// unavailable describes the end of a try that nobody answered.
func (c *Client) unavailable(doing string, cause error) error {
	return &UnavailableError{URL: c.conn.url(), Doing: doing, Cause: cause}
}

// checkTopic refuses a Topic that did not come from the catalogue.
func checkTopic(t Topic) error {
	if t.ID == uuid.Nil || len(t.Partitions) == 0 || t.Shards < 1 {
		return &InvalidError{Reason: fmt.Sprintf("topic %q was not looked up: use what Topic or CreateTopic returned", t.Name)}
	}
	return nil
}
