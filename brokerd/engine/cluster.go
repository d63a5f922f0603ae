package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ClusterConfig makes an engine one of several that replicate their streams among each other.
type ClusterConfig struct {
	// Name is the cluster's. Engines of another name are turned away.
	Name string

	// Listen is the host:port at which the other engines reach this one.
	Listen string

	// Advertise is the host:port that the others are told to use, if it is another one than Listen.
	Advertise string

	// Peers are the host:port of the other engines. Membership is fixed: 1, 3 or 5 engines, this one included.
	Peers []string

	// Secret is known to all engines of the cluster and to nobody else. It crosses the network as it is, unless TLS is set.
	Secret string

	// TLS has the engines know each other by certificates: it must name a certificate, and what it verifies those of the others with.
	TLS *tls.Config
}

// A copy of a stream is in sync that was heard of lately, and lacks no more than is on its way at any time.
const (
	silentMax = 3 * time.Second
	lagMax    = 256 // operations
)

const (
	clusterUser      = "brokerd"
	routePingEvery   = 2 * time.Second // a peer that is gone without a word is noticed after three of them
	routePingsMax    = 2
	caughtUpMax      = 2 * time.Second // that the next leader of a stream may take to have everything
	succeededMax     = 2 * time.Second // that it may take to lead
	successionPause  = 10 * time.Millisecond
	metaProbeTimeout = time.Second
	metaProbePause   = 100 * time.Millisecond
)

func (c *ClusterConfig) check() error {
	switch n := len(c.Peers) + 1; {
	case c.Name == "":
		return errors.New("the cluster has no name: give all its nodes the same")
	case n != 1 && n != 3 && n != 5:
		return fmt.Errorf("the cluster has %d nodes: it must have 1, 3 or 5", n)
	case c.Secret == "" && c.TLS == nil:
		return errors.New("the cluster has neither a secret nor certificates: anybody who reaches it could write to its log")
	}
	return nil
}

// apply adds the cluster to the server's options.
func (c *ClusterConfig) apply(opts *server.Options) error {
	if err := c.check(); err != nil {
		return err
	}
	host, service, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return &ListenError{Address: c.Listen, Err: fmt.Errorf("not a host:port such as 10.0.0.1:6222: %w", err)}
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return &ListenError{Address: c.Listen, Err: fmt.Errorf("port %q is not a number from 1 to 65535", service)}
	}
	opts.Cluster = server.ClusterOpts{
		Name: c.Name, Host: host, Port: int(port), Advertise: c.Advertise, NoAdvertise: true, TLSConfig: c.TLS,
		PingInterval: routePingEvery, MaxPingsOut: routePingsMax,
	}
	user := url.UserPassword(clusterUser, c.Secret)
	if c.Secret == "" {
		user = nil
	} else {
		opts.Cluster.Username, opts.Cluster.Password = clusterUser, c.Secret
	}
	for _, peer := range c.Peers {
		if _, _, err := net.SplitHostPort(peer); err != nil {
			return fmt.Errorf("peer %q is not a host:port: %w", peer, err)
		}
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: peer, User: user})
	}
	return nil
}

// ErrMetadata is what a [MetadataError] is.
var ErrMetadata = errors.New("engine streams and cluster metadata do not belong together")

// MetadataError says that a directory holds streams, and not what the cluster knows of them, or the other way round. An engine that started all the
// same would take its streams for leftovers, and delete them. It is an ErrMetadata.
type MetadataError struct {
	Dir       string
	Clustered bool // the engine is to be part of a cluster
}

func (e *MetadataError) Error() string {
	if e.Clustered {
		return fmt.Sprintf("%s holds topics and no cluster metadata: it is that of a single node, or has lost a part. Restore the directory from a backup; "+
			"or empty it, and the node is filled by the others", e.Dir)
	}
	return fmt.Sprintf("%s is that of a node in a cluster: configure the cluster, or choose another directory", e.Dir)
}

// Is makes errors.Is(err, ErrMetadata) true.
func (e *MetadataError) Is(target error) bool { return target == ErrMetadata }

// checkMetadata compares what a directory holds with what the engine is to be.
func (c *Config) checkMetadata() error {
	store := filepath.Join(c.Dir, server.JetStreamStoreDir)
	meta, err := filled(filepath.Join(store, server.DEFAULT_SYSTEM_ACCOUNT, "_js_", "_meta_"))
	if err != nil {
		return err
	}
	streams, err := filled(filepath.Join(store, logAccount, "streams"))
	if err != nil {
		return err
	}
	if clustered := c.Cluster != nil; clustered && streams && !meta || !clustered && meta {
		return &MetadataError{Dir: c.Dir, Clustered: clustered}
	}
	return nil
}

// filled says whether a directory is there and holds anything.
func filled(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return len(entries) > 0, err
}

// AwaitCluster returns when a majority of the engines agree on who keeps the catalogue of streams: before that none can be made or changed.
func (e *Engine) AwaitCluster(ctx context.Context) error {
	if e.cfg.Cluster == nil {
		return nil
	}
	pause := time.NewTicker(metaProbePause)
	defer pause.Stop()
	for {
		probe, cancel := context.WithTimeout(ctx, metaProbeTimeout)
		var a plainAnswer
		err := e.call(probe, "$JS.API.INFO", nil, &a)
		cancel()
		if err == nil || errors.Is(err, ErrClosed) {
			return err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for a majority of the cluster's nodes: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// Hosts says whether this engine keeps a copy of a stream.
func (e *Engine) Hosts(stream string) bool {
	return !e.server.JetStreamIsClustered() || e.server.JetStreamIsStreamAssigned(logAccount, stream)
}

// AwaitCopy returns when this engine's copy of a stream is there, and its directories are on disk: the engine syncs the files in them, and no more.
func (e *Engine) AwaitCopy(ctx context.Context, stream string) error {
	pause := time.NewTicker(metaProbePause)
	defer pause.Stop()
	for {
		err := e.syncDirs(stream)
		if err == nil && e.cfg.Cluster != nil {
			err = e.syncGroups()
		}
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-pause.C:
		case <-e.closing:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("waiting for the copy of engine stream %s: %w", stream, ctx.Err())
		}
	}
}

// syncGroups makes the directories durable in which the engine keeps what the copies agree on before it is in the streams.
func (e *Engine) syncGroups() error {
	if e.cfg.UnsafeNoSync {
		return nil
	}
	root := filepath.Join(e.cfg.Dir, server.JetStreamStoreDir, server.DEFAULT_SYSTEM_ACCOUNT)
	groups, err := filepath.Glob(filepath.Join(root, "_js_", "*"))
	if err != nil {
		return err
	}
	for _, dir := range append([]string{root, filepath.Join(root, "_js_")}, groups...) {
		if err := syncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// IsCurrent says whether this engine's copy of a stream has, by its own belief, all that the copies agreed on.
func (e *Engine) IsCurrent(stream string) bool {
	return e.Health() == nil && (!e.server.JetStreamIsClustered() || e.server.JetStreamIsStreamCurrent(logAccount, stream))
}

// Replica is another engine's copy of a stream, as the stream's leader sees it.
type Replica struct {
	Node   string
	InSync bool          // heard of within silentMax, and behind by lagMax at most
	Lag    uint64        // operations behind
	Silent time.Duration // since it was last heard of
}

// Replicas asks the leader of a stream for its name and the copies of the others.
func (e *Engine) Replicas(ctx context.Context, stream string) (leader string, replicas []Replica, err error) {
	a, err := e.stream(ctx, stream)
	if err != nil || a.Cluster == nil {
		return "", nil, err
	}
	for _, p := range a.Cluster.Replicas {
		inSync := !p.Offline && !p.Pending && p.Active < silentMax && p.Lag <= lagMax
		replicas = append(replicas, Replica{Node: p.Name, InSync: inSync, Lag: p.Lag, Silent: p.Active})
	}
	return a.Cluster.Leader, replicas, nil
}

// StepDown has another engine lead a stream, the preferred one if it can. It does nothing where this one does not lead it, or has no peers.
func (e *Engine) StepDown(ctx context.Context, stream, preferred string) error {
	if !e.server.JetStreamIsClustered() || !e.IsLeader(stream) {
		return nil
	}
	request := server.JSApiLeaderStepdownRequest{}
	if preferred != "" {
		request.Placement = &server.Placement{Preferred: preferred}
	}
	var a plainAnswer
	if err := e.call(ctx, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, &request, &a); err != nil {
		return fmt.Errorf("stepping down as the leader of engine stream %s: %w", stream, err)
	}
	return nil
}

// HandOn has another engine lead a stream, the preferred one or any, as soon as that has all that the copies agreed on: one that lacks something is not
// elected, and nobody leads until the others have waited for it. Nothing may be published meanwhile. It returns who is to lead. If the preferred one does not
// catch up in time, leadership stays here, with an error; if there is no preference, this engine steps down in any case, and to is empty. HandOn does nothing where
// this engine does not lead the stream, or has its only copy.
func (e *Engine) HandOn(ctx context.Context, stream, preferred string) (to string, err error) {
	if !e.server.JetStreamIsClustered() || !e.IsLeader(stream) {
		return "", nil
	}
	limit := time.NewTimer(caughtUpMax)
	defer limit.Stop()
	for {
		_, replicas, err := e.Replicas(ctx, stream)
		if err != nil {
			return "", err
		}
		if len(replicas) == 0 {
			return "", nil
		}
		alive := false
		for _, r := range replicas {
			if !r.InSync || preferred != "" && r.Node != preferred {
				continue
			}
			if alive = true; r.Lag == 0 {
				return r.Node, e.StepDown(ctx, stream, r.Node)
			}
		}
		if !alive && preferred == "" {
			return "", e.StepDown(ctx, stream, "")
		}
		select {
		case <-time.After(successionPause):
		case <-limit.C:
			if preferred == "" {
				return "", e.StepDown(ctx, stream, "")
			}
			return "", fmt.Errorf("handing on engine stream %s: node %s has not caught up after %v", stream, preferred, caughtUpMax)
		case <-ctx.Done():
			return "", fmt.Errorf("handing on engine stream %s: %w", stream, ctx.Err())
		}
	}
}

// AwaitSuccessor returns when another engine leads a stream that this one has handed on: until then it may need this one's vote.
func (e *Engine) AwaitSuccessor(ctx context.Context, stream string) error {
	if !e.server.JetStreamIsClustered() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, succeededMax)
	defer cancel()
	for {
		probe, stop := context.WithTimeout(ctx, metaProbeTimeout)
		leader, _, err := e.Replicas(probe, stream)
		stop()
		if err == nil && leader != "" && leader != e.cfg.Name {
			return nil
		}
		select {
		case <-time.After(successionPause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the next leader of engine stream %s: %w", stream, errors.Join(ctx.Err(), err))
		}
	}
}
