package engine_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/engine"
)

func start(t testing.TB, cfg engine.Config) *engine.Engine {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	e, err := engine.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(t.Context()) })
	return e
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	t0 := time.Now()
	e := start(t, engine.Config{Dir: dir, Listen: "127.0.0.1:0"})
	t.Log(time.Since(t0), e.ClientURL())
	s := engine.Stream{Name: "s", Versioned: true, Metadata: map[string]string{"a": "b"}}
	if err := e.CreateStream(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := e.CreateStream(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	nc, err := e.LogConn()
	if err != nil {
		t.Fatal(err)
	}
	in := nc.NewInbox()
	sub, _ := nc.SubscribeSync(in)
	p := engine.NewPublisher(nc, "s")
	for i := range 300 {
		p.Publish(uint64(i), []byte("x"), in)
	}
	p.Publish(7, []byte("x"), in)
	var acks []engine.Ack
	for range 301 {
		m, err := sub.NextMsg(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		a, err := engine.ParseAck(m.Data)
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, a)
	}
	t.Log(acks[299], acks[300].Err)
	n := 0
	t0 = time.Now()
	for m, err := range e.Read(t.Context(), "s", 1, 300) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		_ = m
	}
	t.Log(n, time.Since(t0))
	t0 = time.Now()
	t.Log(e.ReadOne(t.Context(), "s", 5))
	t.Log(time.Since(t0))
	cc, err := nats.Connect(e.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	_, err = cc.Request("$JS.API.STREAM.INFO.s", nil, time.Second)
	t.Log(err)
	m, err := cc.Request("$JS.API.INFO", nil, time.Second)
	t.Log(m, err)
	cc.Close()
	t0 = time.Now()
	e.Close(t.Context())
	t.Log("close", time.Since(t0))
	t0 = time.Now()
	e = start(t, engine.Config{Dir: dir})
	t.Log(time.Since(t0))
	t.Log(e.OpenStream(t.Context(), s))
	_, err = e.ReadOne(t.Context(), "s", 5000)
	t.Log(err, errors.Is(err, engine.ErrGap))
}
