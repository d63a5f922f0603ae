package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

// transport is all that the client needs of a connection. Tests put a scripted broker in its place.
type transport interface {
	// request sends payload and waits for the answer, which the caller owns; payload is the caller's again afterwards.
	// An error that matches errUndelivered says that nobody got the request or ever will; any other leaves that open.
	request(ctx context.Context, subject string, payload []byte) ([]byte, error)
	// start sends payload, before what is sent after it returns, and gives a function that waits for the answer, as request does. It is called once.
	start(subject string, payload []byte) func(ctx context.Context) ([]byte, error)
	// publish sends payload and waits for no answer. An error says that it was not sent.
	publish(subject string, payload []byte) error
	// local is where the node that the connection leads to answers a question; it may be another one's by the time that it is asked, who does not answer it.
	local(question string) string
	payloadBytesMax() int
	url() string
	close()
}

var errUndelivered = errors.New("the request was not delivered")

var errConnectionLost = errors.New("the connection was lost while the request was under way")

// connection is the transport over NATS. One subscription receives all answers: nats.go multiplexes them.
type connection struct {
	nc     *nats.Conn
	owns   bool
	status chan nats.Status // of nc; watched until it is closed

	started started

	mu       sync.Mutex
	last     uint64
	underway map[uint64]context.CancelCauseFunc // requests, ended when the connection breaks: their answers will not come
}

// newConnection takes a connection and watches it.
func newConnection(nc *nats.Conn, owns bool) *connection {
	c := &connection{nc: nc, owns: owns, status: nc.StatusChanged(nats.DISCONNECTED, nats.RECONNECTING, nats.CLOSED), underway: map[uint64]context.CancelCauseFunc{}}
	go func() {
		for range c.status {
			c.mu.Lock()
			for _, end := range c.underway {
				end(errConnectionLost)
			}
			c.mu.Unlock()
		}
	}()
	return c
}

// track binds a request to the connection that it is about to use.
func (c *connection) track(ctx context.Context) (context.Context, func()) {
	ctx, end := context.WithCancelCause(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	id := c.last
	c.underway[id] = end
	return ctx, func() {
		c.mu.Lock()
		delete(c.underway, id)
		c.mu.Unlock()
		end(nil)
	}
}

func (c *connection) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
	ctx, release := c.track(ctx)
	defer release()
	// While it reconnects, nats.go would keep the request and send it later.
	if !c.nc.IsConnected() {
		return nil, fmt.Errorf("%w: the connection is %s", errUndelivered, c.nc.Status())
	}
	msg, err := c.nc.RequestWithContext(ctx, subject, payload)
	switch {
	case err == nil:
		return msg.Data, nil
	case errors.Is(err, nats.ErrNoResponders):
		return nil, fmt.Errorf("%w: nobody serves it", errUndelivered)
	case errors.Is(err, nats.ErrMaxPayload), errors.Is(err, nats.ErrReconnectBufExceeded):
		return nil, fmt.Errorf("%w: %w", errUndelivered, err)
	}
	if context.Cause(ctx) == errConnectionLost { //nolint:errorlint // the very value that was set above
		return nil, errConnectionLost
	}
	return nil, err
}

func (c *connection) publish(subject string, payload []byte) error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("%w: the connection is %s", errUndelivered, c.nc.Status())
	}
	if err := c.nc.Publish(subject, payload); err != nil {
		return fmt.Errorf("%w: %w", errUndelivered, err)
	}
	return nil
}

func (c *connection) local(question string) string {
	return wire.NodeSubject(question, c.nc.ConnectedServerId())
}

func (c *connection) payloadBytesMax() int { return int(c.nc.MaxPayload()) }

func (c *connection) url() string {
	if u := c.nc.ConnectedUrlRedacted(); u != "" {
		return u
	}
	if servers := c.nc.Servers(); len(servers) > 0 {
		return servers[0]
	}
	return "its server"
}

func (c *connection) close() {
	c.nc.RemoveStatusListener(c.status)
	c.started.close()
	if c.owns {
		c.nc.Close()
	}
}
