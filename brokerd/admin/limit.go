package admin

import (
	"net"
	"sync"
)

// limited accepts no more than a number of connections at once: further ones wait in the system's queue.
type limited struct {
	net.Listener
	tokens chan struct{}
	once   sync.Once
	closed chan struct{}
}

func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, tokens: make(chan struct{}, n), closed: make(chan struct{})}
}

// Accept waits for room first.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.tokens <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.tokens
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.tokens })}, nil
}

// Close also ends an Accept that waits for room.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close makes room.
func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
