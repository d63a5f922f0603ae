package commitlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// natsStub speaks as much of the NATS protocol as a request needs. A test decides what becomes of each.
type natsStub struct {
	listener net.Listener
	request  func(conn net.Conn, reply string, payload []byte)
	serving  sync.WaitGroup
}

func startStub(t *testing.T, request func(conn net.Conn, reply string, payload []byte)) *natsStub {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &natsStub{listener: listener, request: request}
	s.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.serving.Wait()
	})
	return s
}

func (s *natsStub) url() string { return "nats://" + s.listener.Addr().String() }

func (s *natsStub) serve(conn net.Conn) {
	defer conn.Close()
	_, _ = io.WriteString(conn, `INFO {"server_id":"stub","version":"2.15.2","proto":1,"headers":true,"max_payload":1000}`+"\r\n")
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch f := strings.Fields(line); f[0] {
		case "PING":
			_, _ = io.WriteString(conn, "PONG\r\n")
		case "PUB":
			var size int
			_, _ = fmt.Sscan(f[3], &size)
			payload := make([]byte, size+2)
			if _, err := io.ReadFull(in, payload); err != nil {
				return
			}
			s.request(conn, f[2], payload[:size])
		}
	}
}

func answer(conn net.Conn, reply string, payload []byte) {
	_, _ = fmt.Fprintf(conn, "MSG %s 1 %d\r\n%s\r\n", reply, len(payload), payload)
}

func noResponders(conn net.Conn, reply string) {
	const header = "NATS/1.0 503\r\n\r\n"
	_, _ = fmt.Fprintf(conn, "HMSG %s 1 %d %d\r\n%s\r\n", reply, len(header), len(header), header)
}

func dialStub(t *testing.T, s *natsStub) *Client {
	t.Helper()
	c, err := Dial(t.Context(), s.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestRequestOverNATS(t *testing.T) {
	s := startStub(t, func(conn net.Conn, reply string, payload []byte) {
		answer(conn, reply, append([]byte("re: "), payload...))
	})
	c := dialStub(t, s)
	got, err := c.conn.request(t.Context(), "strand.x", []byte("hello"))
	if err != nil || string(got) != "re: hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if c.conn.payloadBytesMax() != 1000 || c.requestBytesMax() != 1000 {
		t.Errorf("the server takes %d bytes", c.conn.payloadBytesMax())
	}
	if c.conn.url() != s.url() {
		t.Errorf("connected to %s, says %s", s.url(), c.conn.url())
	}
}

// What was not delivered must be told from what may have been: only then may a client say that nothing was stored.
func TestUndeliveredOverNATS(t *testing.T) {
	tests := []struct {
		name        string
		request     func(conn net.Conn, reply string, payload []byte)
		payload     []byte
		undelivered bool
	}{
		{"nobody listens", func(conn net.Conn, reply string, _ []byte) { noResponders(conn, reply) }, nil, true},
		{"larger than the server takes", nil, make([]byte, 1001), true},
		{"the connection breaks", func(conn net.Conn, _ string, _ []byte) { _ = conn.Close() }, nil, false},
		{"an empty answer", func(conn net.Conn, reply string, _ []byte) { answer(conn, reply, nil) }, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dialStub(t, startStub(t, tt.request))
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			got, err := c.conn.request(ctx, "strand.x", tt.payload)
			if errors.Is(err, errUndelivered) != tt.undelivered || err == nil && len(got) > 0 {
				t.Errorf("got %q, %v; undelivered: want %t", got, err, tt.undelivered)
			}
			if ctx.Err() != nil {
				t.Error("it took the whole time allowed")
			}
		})
	}
}

func TestRequestOverABrokenConnection(t *testing.T) {
	s := startStub(t, nil)
	c := dialStub(t, s)
	nc := c.conn.(*connection).nc
	broken := nc.StatusChanged(nats.RECONNECTING)
	_ = s.listener.Close()
	if err := nc.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	<-broken
	if _, err := c.conn.request(t.Context(), "strand.x", nil); !errors.Is(err, errUndelivered) {
		t.Errorf("reconnecting: got %v, want errUndelivered", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.request(t.Context(), "strand.x", nil); !errors.Is(err, errUndelivered) {
		t.Errorf("closed: got %v, want errUndelivered", err)
	}
}

func TestDialSaysWhoDoesNotAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	for name, address := range map[string]string{"silent": silent.Addr().String(), "gone": gone.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			url := "nats://" + address
			_, err := Dial(ctx, url)
			if unavailable, ok := errors.AsType[*UnavailableError](err); !ok || unavailable.URL != url {
				t.Errorf("got %v, want an UnavailableError of %s", err, url)
			}
		})
	}
}

func TestConnectLeavesTheConnectionOpen(t *testing.T) {
	s := startStub(t, func(conn net.Conn, reply string, payload []byte) { answer(conn, reply, payload) })
	nc, err := nats.Connect(s.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c, err := Connect(nc, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if nc.IsClosed() {
		t.Error("the connection is closed")
	}
	nc.Close()
	for _, nc := range []*nats.Conn{nil, nc} {
		if _, err := Connect(nc, Config{}); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}
