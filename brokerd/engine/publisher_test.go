package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strandlog/strand/brokerd/engine"
)

func TestPublishPipelinesInOrder(t *testing.T) {
	const n = 2000
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	buf := make([]byte, 0, 16)
	for seq := range uint64(n) {
		// One buffer for all: what was published is not kept.
		buf = fmt.Appendf(buf[:0], "frame %d", seq+1)
		s.send(seq, buf)
	}
	for seq := range uint64(n) {
		if diff := cmp.Diff(engine.Ack{Stream: "a", Seq: seq + 1}, s.ack()); diff != "" {
			t.Fatal(diff)
		}
	}
	seq := uint64(0)
	for m, err := range e.Read(t.Context(), "a", 1, n) {
		if err != nil {
			t.Fatal(err)
		}
		seq++
		if want := fmt.Sprintf("frame %d", seq); string(m.Data) != want {
			t.Fatalf("sequence %d holds %q", seq, m.Data)
		}
	}
	if seq != n {
		t.Errorf("read %d messages", seq)
	}
}

func TestPublishWithAWrongSequence(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	s.fill(1, 2, []byte("frame"))
	for _, expected := range []uint64{0, 1, 3, 1 << 62} {
		s.send(expected, []byte("intruder"))
		a := s.ack()
		if a.Err == nil || a.Err.Code != 10071 || !errors.Is(a.Err, engine.ErrWrongLastSeq) || a.Seq != 0 {
			t.Errorf("ack of a message expected after %d: %+v", expected, a)
		}
	}
	s.fill(3, 3, []byte("frame"))
}

// TestARefusalStopsThePipeline: what was published after a refused message must not get in.
func TestARefusalStopsThePipeline(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	for _, expected := range []uint64{0, 5, 6, 7} {
		s.send(expected, []byte("frame"))
	}
	if a := s.ack(); a.Err != nil {
		t.Errorf("first: %+v", a)
	}
	for range 3 {
		if a := s.ack(); !errors.Is(a.Err, engine.ErrWrongLastSeq) {
			t.Errorf("later: %+v", a)
		}
	}
	if _, last, err := e.Bounds(t.Context(), "a"); err != nil || last != 1 {
		t.Errorf("last sequence %d, %v", last, err)
	}
}

func TestPublishToNoStream(t *testing.T) {
	e := start(t, engine.Config{})
	s := newSession(t, e, "a")
	s.send(0, []byte("frame"))
	if a, err := engine.ParseAck(s.answer()); !errors.Is(err, engine.ErrAck) {
		t.Errorf("ParseAck = %+v, %v", a, err)
	}
}

func TestPublishOnALostConnection(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	nc := logConn(t, e)
	p := engine.NewPublisher(nc, "a")
	nc.Close()
	if err := p.Publish(0, []byte("frame"), "inbox"); err == nil {
		t.Error("a publish on a closed connection succeeds")
	}
}

func TestPublishTooMuch(t *testing.T) {
	e := start(t, engine.Config{})
	create(t, e, stream("a"))
	s := newSession(t, e, "a")
	if err := s.pub.Publish(0, make([]byte, 8<<20+1), s.inbox); err == nil {
		t.Error("more than the payload limit is sent")
	}
	s.fill(1, 1, make([]byte, 7<<20))
}
