package commitlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// transport is all that the client needs of a connection. Tests put a scripted broker in its place.
type transport interface {
	// request sends payload and waits for the answer, which the caller owns; payload is the caller's again afterwards.
	// An error that matches errUndelivered says that nobody got the request or ever will; any other leaves that open.
	request(ctx context.Context, subject string, payload []byte) ([]byte, error)
	payloadBytesMax() int
	url() string
	close()
}

var errUndelivered = errors.New("the request was not delivered")

// connection is the transport over NATS. One subscription receives all answers: nats.go multiplexes them.
type connection struct {
	nc   *nats.Conn
	owns bool
}

func (c *connection) request(ctx context.Context, subject string, payload []byte) ([]byte, error) {
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
	return nil, err
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
	if c.owns {
		c.nc.Close()
	}
}
