package brokertest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/commitlog"
)

// startTimeout bounds the start of a whole cluster, on a machine that does other things as well.
const startTimeout = time.Minute

// Nodes is a cluster under test.
type Nodes struct {
	t         testing.TB
	processes bool
	nodes     []*node
	links     [][]*link // [from][to]
}

// node is one of them. It runs in the test's process or in one of its own, or not at all.
type node struct {
	cfg     broker.Config
	log     string // a file, of processes
	broker  *broker.Broker
	process *process
}

func (n *node) runs() bool { return n.broker != nil || n.process != nil }

// Option changes how a cluster is run.
type Option func(*Nodes)

// Processes has each node run in a process of its own, so that it can be killed. The package's TestMain must call [Main].
func Processes() Option { return func(c *Nodes) { c.processes = true } }

// Logger has the nodes log; those in processes log to files beside their data.
func Logger(l *slog.Logger) Option {
	return func(c *Nodes) {
		for _, n := range c.nodes {
			n.cfg.Logger, n.log = l, filepath.Join(n.cfg.Dir, "log.txt")
		}
	}
}

// Each changes the configuration of every node. Those in processes take what is text of it.
func Each(change func(node int, cfg *broker.Config)) Option {
	return func(c *Nodes) {
		for i, n := range c.nodes {
			change(i, &n.cfg)
		}
	}
}

// Cluster starts a cluster of 3 or 5 nodes, or a node that is alone, and stops it at the test's end.
func Cluster(t testing.TB, size int, options ...Option) *Nodes {
	t.Helper()
	c := &Nodes{t: t}
	at := addresses(t, 2*size)
	routes, clients := at[:size], at[size:]
	for range size {
		var out []*link
		for to := range size {
			l, err := newLink(t.Context(), routes[to])
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(l.close)
			out = append(out, l)
		}
		c.links = append(c.links, out)
	}
	for i := range size {
		cfg := broker.Config{Dir: t.TempDir(), Listen: clients[i]}
		if size > 1 {
			cfg.Cluster = &broker.ClusterConfig{
				Name: "test", Node: fmt.Sprintf("node-%d", i+1), Listen: routes[i], Secret: "of this test",
				Advertise: "127.0.0.1:1", // nodes that hear of each other by a third one must not connect around the proxies
			}
			for to, l := range c.links[i] {
				if to != i {
					cfg.Cluster.Peers = append(cfg.Cluster.Peers, l.address())
				}
			}
		}
		c.nodes = append(c.nodes, &node{cfg: cfg})
	}
	for _, option := range options {
		option(c)
	}
	t.Cleanup(c.stop)
	c.Start()
	return c
}

// Ports of nodes lie below those that systems give to connections, which could take one before its node listens there.
const (
	portMin = 10_000
	portMax = 32_000
)

// addresses returns some that were free a moment ago: nodes must know each other's before they start.
func addresses(t testing.TB, n int) []string {
	t.Helper()
	var all []string
	for tries := 0; len(all) < n; tries++ {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(portMin+rand.IntN(portMax-portMin))))
		if err != nil && tries > 1000 {
			t.Fatal(err)
		}
		if err != nil { // it is taken
			continue
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
	errs := make([]error, len(c.nodes))
	var group sync.WaitGroup
	for i, n := range c.nodes {
		if !n.runs() {
			group.Go(func() { errs[i] = c.start(ctx, n) })
		}
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			c.t.Errorf("starting node %d: %v", i, err)
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (c *Nodes) start(ctx context.Context, n *node) (err error) {
	if !c.processes {
		n.broker, err = broker.Start(ctx, n.cfg)
		return err
	}
	if n.process, err = startProcess(context.WithoutCancel(ctx), settings{Dir: n.cfg.Dir, Listen: n.cfg.Listen, Cluster: settingsOf(n.cfg.Cluster), Log: n.log}); err != nil {
		return err
	}
	return n.process.ready(ctx)
}

// Stop stops a node as a signal does: it hands on what it leads.
func (c *Nodes) Stop(i int) {
	c.t.Helper()
	if err := c.nodes[i].stop(context.WithoutCancel(c.t.Context())); err != nil {
		c.t.Errorf("stopping node %d: %v", i, err)
	}
}

func (n *node) stop(ctx context.Context) error {
	b, p := n.broker, n.process
	n.broker, n.process = nil, nil
	if p != nil {
		return p.stop()
	}
	return b.Close(ctx)
}

// Kill ends a node that is a process with kill -9.
func (c *Nodes) Kill(i int) {
	c.t.Helper()
	n := c.nodes[i]
	if n.process == nil {
		c.t.Fatalf("node %d is no process of its own: use brokertest.Processes", i)
	}
	if err := n.process.kill(); err != nil {
		c.t.Errorf("killing node %d: %v", i, err)
	}
	n.process = nil
}

// Wipe gives a node that does not run an empty directory: it is another machine.
func (c *Nodes) Wipe(i int) {
	c.t.Helper()
	n := c.nodes[i]
	if n.runs() {
		c.t.Fatalf("node %d runs: its directory cannot be wiped", i)
	}
	if err := os.RemoveAll(n.cfg.Dir); err != nil {
		c.t.Fatal(err)
	}
	n.cfg.Dir = c.t.TempDir()
}

// Signal sends a signal to a node that is a process.
func (c *Nodes) Signal(i int, s syscall.Signal) {
	c.t.Helper()
	if err := c.nodes[i].process.cmd.Process.Signal(s); err != nil {
		c.t.Errorf("sending %v to node %d: %v", s, i, err)
	}
}

func (c *Nodes) stop() {
	var group sync.WaitGroup
	for i, n := range c.nodes {
		if n.runs() {
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

// Client speaks to one node of those in the test's process.
func (c *Nodes) Client(i int) *commitlog.Client { return c.nodes[i].broker.Client() }

// Dir is where a node keeps all that it has.
func (c *Nodes) Dir(i int) string { return c.nodes[i].cfg.Dir }

// URL is where clients reach one node.
func (c *Nodes) URL(i int) string { return "nats://" + c.nodes[i].cfg.Listen }

// URLs are all of them, as Dial takes them.
func (c *Nodes) URLs() string {
	var all []string
	for i := range c.nodes {
		all = append(all, c.URL(i))
	}
	return strings.Join(all, ",")
}

// Index is the number of the node with a name, -1: there is none.
func (c *Nodes) Index(name string) int {
	return slices.IndexFunc(c.nodes, func(n *node) bool { return n.cfg.Cluster != nil && n.cfg.Cluster.Node == name })
}
