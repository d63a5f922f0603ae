package brokertest_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/brokertest"
	"github.com/strandlog/strand/commitlog"
)

// detour is a way to a node on which the first write that holds a mark takes longer than all that follow.
type detour struct {
	mark []byte

	mu   sync.Mutex
	conn *detourConn
	late []byte
}

type detourConn struct {
	net.Conn
	detour *detour
}

// Dial makes it a nats.CustomDialer.
func (d *detour) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return nil, err
	}
	return &detourConn{conn, d}, nil
}

func (c *detourConn) Write(b []byte) (int, error) {
	d := c.detour
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil && bytes.Contains(b, d.mark) {
		d.conn, d.late = c, bytes.Clone(b)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// arrive has it get there.
func (d *detour) arrive() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conn == nil {
		return errors.New("nothing took the detour")
	}
	_, err := d.conn.Conn.Write(d.late)
	return err
}

// TestLateAttempt delays the first attempt of an append to a stream that must exist until the second was refused and the stream is there. The client cannot
// say that nothing was stored: the first attempt may still be, and is.
func TestLateAttempt(t *testing.T) {
	t.Parallel() // it mostly waits
	c := brokertest.Cluster(t, 3)
	topic, err := c.Client(0).CreateTopic(t.Context(), commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		t.Fatal(err)
	}
	late := []byte(`{"is":"late"}`)
	way := &detour{mark: late}
	client, err := commitlog.Dial(t.Context(), c.URL(0), nats.SetCustomDialer(way))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	_, err = client.Append(t.Context(), topic, commitlog.Append{Writes: []commitlog.Write{{
		Stream: "a-1", Expected: commitlog.StreamExists, Events: []commitlog.NewRecord{{Value: late}},
	}}})
	t.Logf("the second attempt: %v", err)
	if !errors.Is(err, commitlog.ErrIndefinite) {
		t.Errorf("a client with an attempt on its way says: %v", err)
	}
	if _, err := c.Client(1).Append(t.Context(), topic, event("a-1", commitlog.NoStream)); err != nil {
		t.Fatal(err)
	}
	if err := way.arrive(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the first attempt is stored, or the delay has shown nothing", func() bool {
		for r, err := range c.Client(2).Records(t.Context(), topic, 0, commitlog.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(r.Value, late) {
				return true
			}
		}
		return false
	})
}
