package brokertest

import (
	"context"
	"io"
	"net"
	"sync"
)

// link is one direction of a pair of nodes: a proxy through which one dials the other. While it is cut it accepts nothing and carries nothing.
type link struct {
	listener net.Listener
	target   string
	ctx      context.Context //nolint:containedctx // of the connections that close ends
	end      context.CancelFunc
	done     sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

func newLink(ctx context.Context, target string) (*link, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.ctx, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.done.Go(l.accept)
	return l, nil
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.done.Go(func() { l.carry(in) })
	}
}

func (l *link) carry(in net.Conn) {
	defer func() { _ = in.Close() }()
	if !l.hold(in) {
		return
	}
	defer l.drop(in)
	out, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.target)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	if !l.hold(out) {
		return
	}
	defer l.drop(out)
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(out, in) // it ends when either side does
		_ = out.Close()
	})
	_, _ = io.Copy(in, out)
	_ = in.Close()
	both.Wait()
}

// hold notes a connection that a cut closes, and says false while the link is cut.
func (l *link) hold(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// set cuts or heals the link.
func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Close()
		}
	}
}

func (l *link) close() {
	l.end()
	_ = l.listener.Close()
	l.set(true)
	l.done.Wait()
}
