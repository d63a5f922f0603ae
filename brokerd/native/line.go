package native

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

// line is where the requests of a session arrive. Its appends have a connection of their own: NATS ends one whose reader is too far behind, which
// the requests of a few dozen producers can bring about, 4 MiB each. Then only those of this session are lost that were under way, as when a client's
// connection breaks, and the line is opened again.
type line struct {
	server  *Server
	session Session
	reads   []*nats.Subscription // of the server's connection; set before others know the line

	mu   sync.Mutex // taken after the server's
	conn *nats.Conn // nil until it was opened
}

func (l *line) subject(verb string) string {
	return wire.ShardSubject(verb, l.session.Topic, l.session.Shard, l.session.ID)
}

// serves says whether the session is open.
func (l *line) serves() bool {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	return l.server.sessions[l.session.ID] == l
}

// open connects and subscribes.
func (l *line) open() error {
	s := l.server
	conn, err := s.cfg.Connect(nats.ClosedHandler(l.lost))
	if err != nil {
		return fmt.Errorf("connecting a session: %w", err)
	}
	l.mu.Lock()
	l.conn = conn
	l.mu.Unlock()
	if conn.IsClosed() { // before lost could know it
		return nats.ErrConnectionClosed
	}
	for verb, handle := range map[string]nats.MsgHandler{wire.VerbAppend: s.append(l.session), wire.VerbProduce: s.produce(l.session)} {
		if _, err := conn.Subscribe(l.subject(verb), handle); err != nil {
			l.close()
			return fmt.Errorf("subscribing to %s: %w", l.subject(verb), err)
		}
	}
	if !l.serves() { // whoever closed it may not have seen the connection
		conn.Close()
	}
	return nil
}

// reopening is the pause after a failed attempt to open a line again.
const reopening = 100 * time.Millisecond

// lost opens the line again while its session is open.
func (l *line) lost(conn *nats.Conn) {
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.sessions[l.session.ID] != l || !l.forget(conn) {
		return
	}
	s.cfg.Logger.Warn("too many requests at once: those under way to a session were dropped", "topic", l.session.Topic, "shard", l.session.Shard)
	s.group.Go(func() {
		for l.serves() {
			err := l.open()
			if err == nil {
				return
			}
			s.cfg.Logger.Warn("a session could not be opened to requests again", "error", err)
			select {
			case <-time.After(reopening):
			case <-s.ctx.Done():
				return
			}
		}
	})
}

// drain hands on what has arrived, and then closes the connection.
func (l *line) drain() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil
	}
	return l.conn.Drain()
}

// forget says whether it was the line's connection that is gone: not one that the line has given up itself.
func (l *line) forget(conn *nats.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return false
	}
	l.conn = nil
	return true
}

func (l *line) close() {
	l.mu.Lock()
	conn := l.conn
	l.conn = nil
	l.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}
