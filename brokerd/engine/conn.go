package engine

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// LogConn opens an in-process connection to the log's account. The caller closes it, and uses separate ones for publishing,
// for answers and for reading, so that none waits behind another's bytes.
// It never reconnects: a lost connection is an event that the caller must handle, because what was sent on it is in doubt.
func (e *Engine) LogConn(opts ...nats.Option) (*nats.Conn, error) {
	return e.connect(logUser, e.users.logPassword, opts)
}

// ClientConn opens an in-process connection to the clients' account with the node's own rights:
// it alone may subscribe to the subjects that Strand serves. The caller closes it. It never reconnects.
func (e *Engine) ClientConn(opts ...nats.Option) (*nats.Conn, error) {
	return e.connect(nodeUser, e.users.nodePassword, opts)
}

func (e *Engine) connect(user, password string, opts []nats.Option) (*nats.Conn, error) {
	select {
	case <-e.closing:
		return nil, ErrClosed
	default:
	}
	own := []nats.Option{
		nats.InProcessServer(e.server),
		nats.UserInfo(user, password),
		nats.NoReconnect(),
		// Without a handler the client library writes to standard error.
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			e.log.Warnf("connection of %s, subject %q: %v", user, subject, err)
		}),
	}
	nc, err := nats.Connect("", append(own, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the engine in-process: %w", err)
	}
	return nc, nil
}
