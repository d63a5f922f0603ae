package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs an engine until the test ends.
func start(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	e, err := engine.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, e) })
	return e
}

func stop(t testing.TB, e *engine.Engine) {
	t.Helper()
	if err := e.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func logConn(t testing.TB, e *engine.Engine) *nats.Conn {
	t.Helper()
	nc, err := e.LogConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// session publishes to one stream and reads the acks.
type session struct {
	t     testing.TB
	pub   *engine.Publisher
	inbox string
	acks  chan *nats.Msg
}

func newSession(t testing.TB, e *engine.Engine, stream string) *session {
	t.Helper()
	nc := logConn(t, e)
	s := &session{t: t, inbox: nc.NewInbox(), pub: engine.NewPublisher(nc, stream), acks: make(chan *nats.Msg, 4096)}
	if _, err := nc.ChanSubscribe(s.inbox, s.acks); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *session) send(expected uint64, data []byte) {
	s.t.Helper()
	if err := s.pub.Publish(expected, data, s.inbox); err != nil {
		s.t.Fatal(err)
	}
}

func (s *session) ack() engine.Ack {
	s.t.Helper()
	a, err := engine.ParseAck(s.answer())
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

func (s *session) answer() []byte {
	s.t.Helper()
	select {
	case msg := <-s.acks:
		return msg.Data
	case <-time.After(10 * time.Second):
		s.t.Fatal("the engine does not answer")
		return nil
	}
}

// fill publishes the sequences first to last.
func (s *session) fill(first, last uint64, data []byte) {
	s.t.Helper()
	for seq := first; seq <= last; seq++ {
		s.send(seq-1, data)
		if a := s.ack(); a.Err != nil || a.Seq != seq {
			s.t.Fatalf("ack of sequence %d: %+v", seq, a)
		}
	}
}

func stream(name string) engine.Stream {
	return engine.Stream{Name: name, Versioned: true, Metadata: map[string]string{"log": "018f"}}
}

func create(t testing.TB, e *engine.Engine, s engine.Stream) {
	t.Helper()
	if err := e.CreateStream(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

func contains(t testing.TB, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}
