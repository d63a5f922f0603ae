package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/process"
)

// serverDir and serverSync tell this program, started again, to be a NATS server with its data in that directory; serverCluster, to be one of several.
const (
	serverDir  = "STRAND_BENCH_NATS_DIR"
	serverSync = "STRAND_BENCH_NATS_SYNC"

	serverCluster = "STRAND_BENCH_NATS_CLUSTER" // addresses for routes, its own first
)

// serveJetStream is the server's process.
func serveJetStream(dir string) error {
	options := &server.Options{
		ServerName: "peer", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: dir, SyncAlways: os.Getenv(serverSync) != "", MaxPayload: 8 << 20,
	}
	if routes := os.Getenv(serverCluster); routes != "" {
		if err := clustered(options, strings.Fields(routes)); err != nil {
			return process.Refuse(os.Stdout, err)
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		return process.Refuse(os.Stdout, err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Minute) { // a store of 10M messages takes a while to open
		return process.Refuse(os.Stdout, errors.New("the server does not take connections"))
	}
	err = process.Serve(os.Stdin, os.Stdout, s.ClientURL(), map[string]process.Command{"free": process.Free})
	s.Shutdown()
	s.WaitForShutdown()
	return err
}

// natsNode is a server's process and one connection to it.
type natsNode struct {
	child  *process.Child
	conn   *nats.Conn
	js     jetstream.JetStream
	failed atomic.Pointer[error] // of the publishing that waits for no answer
}

// startNATS starts a server that syncs every message before it acknowledges it, or one that does not.
func startNATS(ctx context.Context, dir string, sync bool) (*natsNode, error) {
	environment := []string{serverDir + "=" + dir}
	if sync {
		environment = append(environment, serverSync+"=yes")
	}
	child, err := startServer(ctx, environment...)
	if err != nil {
		return nil, err
	}
	return connectNATS(child)
}

func startServer(ctx context.Context, environment ...string) (*process.Child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), program) // it is asked to end, not cut off
	command.Env = append(os.Environ(), environment...)
	return process.Start(ctx, command)
}

func connectNATS(child *process.Child) (n *natsNode, err error) {
	n = &natsNode{child: child}
	if n.conn, err = nats.Connect(child.Ready()); err != nil {
		child.Kill()
		return nil, err
	}
	n.js, err = jetstream.New(n.conn, jetstream.WithPublishAsyncMaxPending(4096),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { n.failed.Store(&err) }))
	return n, err
}

func (n *natsNode) close() error {
	n.conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return n.child.Close(ctx)
}

func (n *natsNode) kill() {
	n.child.Kill()
	n.conn.Close()
}

// createEvents creates the stream of events: one message each, a subject for each aggregate.
func (n *natsNode) createEvents(ctx context.Context, name string) error {
	_, err := n.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".>"}, Storage: jetstream.FileStorage, AllowDirect: true,
	})
	if err != nil {
		return fmt.Errorf("creating stream %s: %w", name, err)
	}
	return nil
}

// natsPeer is what the probers of JetStream keep from run to run.
type natsPeer struct {
	dir     string
	appends *natsNode    // syncs
	cluster *natsCluster // syncs
	crowd   *natsCrowd   // syncs
	history *natsHistory // does not: it is only read
	restart *natsRestart
}

func newJetStream(_ context.Context, dir string) (*peer, error) {
	p := &natsPeer{dir: dir}
	all := p.appendProbers()
	maps.Copy(all, p.readProbers())
	maps.Copy(all, p.clusterProbers())
	all["produce/batch"] = p.produce()
	all["produce/clients/1000"] = p.clients
	all["restart/10M"] = p.kill
	all["memory/streams"] = p.memory
	return &peer{probers: all, close: p.close}, os.MkdirAll(dir, 0o755)
}

func (p *natsPeer) close() error {
	var errs []error
	if p.appends != nil {
		errs = append(errs, p.appends.close())
	}
	if p.cluster != nil {
		errs = append(errs, p.cluster.close())
	}
	if p.crowd != nil {
		errs = append(errs, p.crowd.close())
	}
	if p.history != nil {
		errs = append(errs, p.history.node.close())
	}
	if p.restart != nil {
		p.restart.node.kill()
	}
	return errors.Join(errs...)
}

// appender is the server that everything durable shares.
func (p *natsPeer) appender(ctx context.Context) (*natsNode, error) {
	if p.appends == nil {
		n, err := startNATS(ctx, p.path("appends"), true)
		if err != nil {
			return nil, err
		}
		p.appends = n
	}
	return p.appends, nil
}

func (p *natsPeer) path(name string) string { return filepath.Join(p.dir, name) }
