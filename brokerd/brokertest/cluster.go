package brokertest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// startTimeout bounds the start of a whole cluster, on a machine that does other things as well.
const startTimeout = time.Minute

// Nodes is a cluster under test.
type Nodes struct {
	t     testing.TB
	nodes []*node
	links [][]*link // [from][to]
}

// node is one of them.
type node struct {
	cfg    broker.Config
	broker *broker.Broker // nil: it does not run
}

// Option changes how a cluster is run.
type Option func(*broker.Config)

// WithLogger has all nodes log.
func WithLogger(l *slog.Logger) Option { return func(c *broker.Config) { c.Logger = l } }

// Cluster starts a cluster of 3 or 5 nodes in the test's process, and stops it at the test's end.
func Cluster(t testing.TB, size int, options ...Option) *Nodes {
	t.Helper()
	c := &Nodes{t: t}
	at := addresses(t, 2*size)
	routes, clients := at[:size], at[size:]
	for range size {
		var out []*link
		for to := range size {
			l, err := newLink(routes[to])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.close)
			out = append(out, l)
		}
		c.links = append(c.links, out)
	}
	for i := range size {
		cfg := broker.Config{
			Dir: t.TempDir(), Listen: clients[i],
			Cluster: &broker.ClusterConfig{
				Name: "test", Node: fmt.Sprintf("node-%d", i+1), Listen: routes[i], Secret: "of this test",
				Advertise: "127.0.0.1:1", // nodes that hear of each other by a third one must not connect around the proxies
			},
		}
		for to, l := range c.links[i] {
			if to != i {
				cfg.Cluster.Peers = append(cfg.Cluster.Peers, l.address())
			}
		}
		for _, option := range options {
			option(&cfg)
		}
		c.nodes = append(c.nodes, &node{cfg: cfg})
	}
	t.Cleanup(c.stop)
	c.Start()
	return c
}

// addresses returns some that were free a moment ago: nodes must know each other's before they start.
func addresses(t testing.TB, n int) []string {
	t.Helper()
	var all []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		all = append(all, l.Addr().String())
	}
	return all
}

// Start starts the nodes that do not run, side by side, and returns when they serve.
func (c *Nodes) Start() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), startTimeout)
	defer cancel()
	var group sync.WaitGroup
	for i, n := range c.nodes {
		if n.broker != nil {
			continue
		}
		group.Go(func() {
			b, err := broker.Start(ctx, n.cfg)
			if err != nil {
				c.t.Errorf("starting node %d: %v", i, err)
				return
			}
			n.broker = b
		})
	}
	group.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// Stop stops a node as a signal does: it hands on what it leads.
func (c *Nodes) Stop(i int) {
	c.t.Helper()
	b := c.nodes[i].broker
	c.nodes[i].broker = nil
	if err := b.Close(context.WithoutCancel(c.t.Context())); err != nil {
		c.t.Errorf("stopping node %d: %v", i, err)
	}
}

func (c *Nodes) stop() {
	var group sync.WaitGroup
	for i, n := range c.nodes {
		if n.broker != nil {
			group.Go(func() { c.Stop(i) })
		}
	}
	group.Wait()
}

// Isolate cuts a node off from all others. Clients still reach it.
func (c *Nodes) Isolate(i int) { c.cut(i, true) }

// Heal mends all cuts.
func (c *Nodes) Heal() {
	for i := range c.nodes {
		c.cut(i, false)
	}
}

func (c *Nodes) cut(i int, cut bool) {
	for j := range c.nodes {
		c.links[i][j].set(cut)
		c.links[j][i].set(cut)
	}
}

// Size is the number of nodes.
func (c *Nodes) Size() int { return len(c.nodes) }

// Broker is a node that runs.
func (c *Nodes) Broker(i int) *broker.Broker { return c.nodes[i].broker }

// Client speaks to one node, in-process.
func (c *Nodes) Client(i int) *commitlog.Client { return c.nodes[i].broker.Client() }

// URL is where clients reach one node.
func (c *Nodes) URL(i int) string { return "nats://" + c.nodes[i].cfg.Listen }
