package pgtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between clients and a server, and cuts connections when it hurts most: while a client waits for the answer to its commit.
type Proxy struct {
	server   *Server
	dir      string
	listener net.Listener

	mu    sync.Mutex
	armed *Cut           // nil: nothing is to be cut
	conns map[*link]bool // nil: it is closed
	ended chan struct{}
	wait  sync.WaitGroup
}

// Cut says which commit is to lose its connection, and when.
type Cut struct {
	// Batch takes a transaction that is one pipeline of statements, which its Sync commits; otherwise one that the word commit ends.
	Batch bool
	// Answered waits until the server has committed, and swallows its answer. Otherwise the connection is cut right behind the commit, which is then on
	// its way.
	Answered bool
	// Frozen holds the commit back and keeps the connection, as a client that stands still in the middle of what it sends.
	Frozen bool

	done chan bool
}

// Proxy gives a test a proxy before the server, until it ends.
func (s *Server) Proxy(tb testing.TB) *Proxy {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pg-") // the path of a socket is short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{server: s, dir: dir, listener: listener, conns: map[*link]bool{}, ended: make(chan struct{})}
	p.wait.Go(p.serve)
	tb.Cleanup(p.close)
	return p
}

// URL is where a database of the server is reached by way of the proxy.
func (p *Proxy) URL(database string) string {
	return "postgres:///" + database + "?user=postgres&host=" + p.dir
}

// Cut cuts the next commit of a kind. The channel tells whether the server had committed; of one that is not Answered nobody knows, and it tells true.
func (p *Proxy) Cut(c Cut) <-chan bool {
	c.done = make(chan bool, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = &c
	return c.done
}

// take gives the cut to whom it meets first.
func (p *Proxy) take(batch bool) *Cut {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.armed
	if c == nil || c.Batch != batch {
		return nil
	}
	p.armed = nil
	return c
}

func (p *Proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for l := range p.conns {
		l.close()
	}
	p.conns = nil
	close(p.ended)
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.server.Socket()) //nolint:noctx // a socket of this machine answers at once
		if err != nil {
			_ = client.Close() // as a server that does not run
			continue
		}
		l := &link{proxy: p, client: client, server: server}
		p.mu.Lock()
		if p.conns == nil {
			p.mu.Unlock()
			l.close()
			return
		}
		p.conns[l] = true
		p.mu.Unlock()
		p.wait.Go(func() { l.run(l.requests) })
		p.wait.Go(func() { l.run(l.answers) })
	}
}

// link is one connection.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	within         atomic.Bool         // a transaction that begin has opened
	cut            atomic.Pointer[Cut] // set: the answer to this commit is swallowed
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}

func (l *link) run(fn func() error) {
	_ = fn() // the connection has ended, one way or the other
	l.close()
	l.proxy.mu.Lock()
	delete(l.proxy.conns, l)
	l.proxy.mu.Unlock()
}

var errCut = errors.New("cut")

// requests passes on what the client says.
func (l *link) requests() error {
	in := bufio.NewReader(l.client)
	opening, err := message(in, 0)
	if err != nil {
		return err
	}
	if _, err := l.server.Write(opening); err != nil {
		return err
	}
	executed := 0 // statements since the last Sync
	for {
		m, err := message(in, 1)
		if err != nil {
			return err
		}
		var c *Cut
		switch m[0] {
		case 'E':
			executed++
		case 'Q':
			if strings.EqualFold(string(bytes.TrimRight(m[5:], "\x00; ")), "commit") {
				c = l.proxy.take(false)
			}
		case 'S':
			if executed > 2 && !l.within.Load() { // a commit of rows is more statements than what reads them
				c = l.proxy.take(true)
			}
			executed = 0
		}
		if c != nil && c.Frozen {
			c.done <- false
			<-l.proxy.ended
			return errCut
		}
		if c != nil && c.Answered {
			l.cut.Store(c)
		}
		if _, err := l.server.Write(m); err != nil {
			return err
		}
		if c != nil && !c.Answered {
			c.done <- true
			return errCut
		}
	}
}

// answers passes on what the server says.
func (l *link) answers() error {
	in := bufio.NewReader(l.server)
	refused := false
	for {
		m, err := message(in, 1)
		c := l.cut.Load()
		if err != nil {
			if c != nil {
				c.done <- false
			}
			return err
		}
		if m[0] == 'Z' {
			l.within.Store(m[5] != 'I')
		}
		switch {
		case c == nil:
			if _, err := l.client.Write(m); err != nil {
				return err
			}
		case m[0] == 'E':
			refused = true
		case m[0] == 'Z':
			c.done <- !refused
			return errCut
		}
	}
}

// message reads one message, whose length stands behind so many bytes of type.
func message(in *bufio.Reader, typed int) ([]byte, error) {
	head := make([]byte, typed+4)
	if _, err := io.ReadFull(in, head); err != nil {
		return nil, err
	}
	m := make([]byte, typed+max(4, int(binary.BigEndian.Uint32(head[typed:]))))
	copy(m, head)
	_, err := io.ReadFull(in, m[len(head):])
	return m, err
}
