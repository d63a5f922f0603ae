package commitlog

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// started are requests that were sent without waiting for their answers, which all arrive at one subscription. nats.go has that too, but sends and waits
// in one call: then the order of two requests would be that of two goroutines.
type started struct {
	mu      sync.Mutex
	inbox   string // empty: nothing was started yet
	sub     *nats.Subscription
	last    uint64
	answers map[uint64]chan *nats.Msg
}

// open subscribes where answers arrive, once.
func (s *started) open(nc *nats.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inbox != "" {
		return nil
	}
	inbox := nc.NewInbox()
	sub, err := nc.Subscribe(inbox+".*", s.arrived)
	if err != nil {
		return err
	}
	s.sub, s.inbox, s.answers = sub, inbox, map[uint64]chan *nats.Msg{}
	return nil
}

func (s *started) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // the connection may be closed already
	}
}

// arrived hands an answer to whoever waits for it.
func (s *started) arrived(msg *nats.Msg) {
	id, err := strconv.ParseUint(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], 10, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	answer := s.answers[id]
	delete(s.answers, id)
	s.mu.Unlock()
	if answer != nil {
		answer <- msg // it has room for one
	}
}

// expect returns where the next request's answer is to be sent, and where it will be.
func (s *started) expect() (reply string, id uint64, answer chan *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	answer = make(chan *nats.Msg, 1)
	s.answers[s.last] = answer
	return s.inbox + "." + strconv.FormatUint(s.last, 10), s.last, answer
}

func (s *started) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.answers, id)
}

func (c *connection) start(subject string, payload []byte) func(ctx context.Context) ([]byte, error) {
	failed := func(err error) func(context.Context) ([]byte, error) {
		return func(context.Context) ([]byte, error) { return nil, fmt.Errorf("%w: %w", errUndelivered, err) }
	}
	if !c.nc.IsConnected() { // else nats.go would keep the request and send it later
		return failed(fmt.Errorf("the connection is %s", c.nc.Status()))
	}
	if err := c.started.open(c.nc); err != nil {
		return failed(err)
	}
	reply, id, answer := c.started.expect()
	//nolint:forbidigo // It hears of a lost connection and of nothing else: the caller waits with a context of its own.
	tracked, release := c.track(context.Background())
	if err := c.nc.PublishRequest(subject, reply, payload); err != nil {
		release()
		c.started.forget(id)
		return failed(err)
	}
	return func(ctx context.Context) ([]byte, error) {
		defer release()
		defer c.started.forget(id)
		select {
		case msg := <-answer:
			if msg.Header.Get("Status") == "503" && len(msg.Data) == 0 {
				return nil, fmt.Errorf("%w: nobody serves it", errUndelivered)
			}
			return msg.Data, nil
		case <-tracked.Done():
			return nil, errConnectionLost
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
