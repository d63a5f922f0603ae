package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/admin"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/native"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/commitlog"
)

// flushTimeout bounds the last answers on an in-process connection.
const flushTimeout = 5 * time.Second

// Broker is a running node.
type Broker struct {
	cfg       Config
	dir       string
	node      string
	client    *commitlog.Client
	shards    *shards
	catalogue *topics.Catalogue
	engine    *engine.Engine
	admin     *admin.Server // nil: not configured
	stage     atomic.Int32  // a stage; what Problems and Stats look at is there while it is serving
	admission shard.Admission
	gaveUp    chan struct{} // closed when the node cannot go on
	cause     error         // why; set before gaveUp is closed

	closers []closer // in the order of their start
	once    sync.Once
	closed  error
}

// closer undoes one step of Start.
type closer struct {
	name  string
	close func(ctx context.Context) error
}

// Start opens or creates a node and returns when it serves. What failed half-way is closed again.
// Errors to act on: ErrLocked, engine.ErrListen, admin.ErrListen.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{cfg: cfg, dir: cfg.Dir, gaveUp: make(chan struct{})}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

func (b *Broker) start(ctx context.Context) error {
	if err := b.startAdmin(ctx); err != nil {
		return err
	}
	if err := b.openDir(); err != nil {
		return err
	}
	if b.cfg.restore == nil {
		if err := checkRestored(b.dir); err != nil {
			return err
		}
	}
	id, err := loadIdentity(b.dir)
	if err != nil {
		return err
	}
	if id, err = b.cfg.Cluster.identify(b.dir, id); err != nil {
		return err
	}
	b.node = id.Node
	if err := b.startEngine(ctx); err != nil {
		return err
	}
	caches := volume{dir: filepath.Join(b.dir, "shards"), freeMin: b.cfg.FreeBytesMin}
	if err := os.MkdirAll(caches.dir, 0o700); err != nil {
		return fmt.Errorf("creating the directory of the shards: %w", err)
	}
	b.startWatch(ctx, caches)
	server, err := b.startServer(ctx)
	if err != nil {
		return err
	}
	members, err := b.join(ctx, &id)
	if err != nil {
		return err
	}
	led := newLeadership()
	b.shards = newShards(shardsConfig{
		Config: b.cfg, engine: b.engine, server: server, node: id.Node, catalogue: id.CatalogueID, dir: caches.dir, admission: &b.admission, room: func() error { return shortOf(caches.short()) },
		members: members, led: led,
	})
	b.onClose("shards", b.shards.close)
	log, err := openCatalogueLog(ctx, b.shards, id)
	if err != nil {
		return fmt.Errorf("opening the catalogue: %w", err)
	}
	if !id.Started {
		id.Started = true
		if err := id.save(b.dir); err != nil {
			return err
		}
	}
	nodes := b.cfg.Cluster.nodes()
	if b.catalogue, err = topics.Open(ctx, log, b.shards, topics.Config{Shards: nodes, Nodes: nodes, Logger: b.cfg.Logger.With("component", "catalogue")}); err != nil {
		return err
	}
	if b.cfg.restore != nil {
		return b.cfg.restore(ctx, b)
	}
	faces := catalogue{topics: b.catalogue, shards: b.shards, id: id.CatalogueID}
	b.shards.groups.catalogue.Store(&faces)
	if members == nil {
		err = server.ServeChanges(faces)
	} else {
		b.followCatalogue(ctx, server, faces, led)
		if err = members.serve(b.shards.local); err == nil {
			err = b.awaitTopics(ctx, faces)
		}
	}
	if err == nil {
		err = server.Serve(faces)
	}
	if err != nil {
		return err
	}
	if err := b.startClient(); err != nil {
		return err
	}
	b.stage.Store(int32(serving))
	return nil
}

// join finds the other nodes of the cluster; nil: there are none.
func (b *Broker) join(ctx context.Context, id *identity) (*members, error) {
	if b.cfg.Cluster == nil {
		return nil, nil
	}
	m, err := joinMembers(ctx, b.engine, id.Node, id.nodes, b.cfg.Logger.With("component", "members"))
	if err != nil {
		return nil, err
	}
	b.onClose("members", m.close)
	return m, b.agree(ctx, id)
}

func (b *Broker) openDir() error {
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "strand-")
		if err != nil {
			return fmt.Errorf("creating a temporary directory: %w", err)
		}
		b.dir = dir
		b.onClose("temporary directory", func(context.Context) error { return os.RemoveAll(dir) })
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("creating the data directory: %w", err)
	}
	lock := flock.New(filepath.Join(b.dir, "LOCK"), flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("locking the data directory: %w", err)
	}
	if !held {
		return &LockedError{Dir: b.dir}
	}
	b.onClose("lock", func(context.Context) error { return lock.Unlock() })
	return nil
}

func (b *Broker) startEngine(ctx context.Context) error {
	e, err := engine.Start(ctx, engine.Config{
		Dir: logDir(b.dir), Listen: b.cfg.Listen, AllowRemote: b.cfg.AllowRemote, UnsafeNoSync: b.cfg.UnsafeNoSync,
		Cluster: b.cfg.Cluster.engine(), StoreBytesMax: b.cfg.StoreBytesMax, FreeBytesMin: b.cfg.FreeBytesMin, Name: b.node, Logger: b.cfg.Logger.With("component", "engine"),
	})
	if err != nil {
		return err
	}
	b.engine = e
	b.onClose("engine", e.Close)
	return nil
}

// startWatch comes before the first shard opens: on a full disk that one waits for what the watch does.
func (b *Broker) startWatch(ctx context.Context, caches volume) {
	w := &watch{
		dir: b.dir, store: b.engine, caches: caches.short, admission: &b.admission, logger: b.cfg.Logger.With("component", "watch"),
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := w.run(ctx); err != nil {
			b.cfg.Logger.Error("the node gives up", "error", err)
			b.cause = err
			close(b.gaveUp)
		}
	}()
	b.onClose("watch", func(context.Context) error {
		stop()
		<-done
		return nil
	})
}

func (b *Broker) startServer(ctx context.Context) (*native.Server, error) {
	var conns [2]*nats.Conn
	for i, options := range [len(conns)][]nats.Option{1: {
		nats.WriteBufferSize(1), // reads are answered by goroutines that have the time to write: waking nats.go's flusher for it takes longer
	}} {
		nc, err := b.engine.ClientConn(options...)
		if err != nil {
			return nil, fmt.Errorf("connecting to the engine: %w", err)
		}
		conns[i] = nc
		b.onClose("connection", func(context.Context) error {
			defer nc.Close()
			if err := nc.FlushTimeout(flushTimeout); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				return err
			}
			return nil
		})
	}
	server := native.NewServer(context.WithoutCancel(ctx), native.Config{
		Connect: b.engine.ClientConn, Replies: conns[0], Reads: conns[1], Unread: b.engine.Unread, Logger: b.cfg.Logger.With("component", "native"),
	})
	b.onClose("native protocol", func(context.Context) error { return server.Close() })
	return server, nil
}

func (b *Broker) startClient() error {
	nc, err := b.engine.ClientConn()
	if err != nil {
		return fmt.Errorf("connecting to the engine: %w", err)
	}
	client, err := commitlog.Connect(nc, b.cfg.Client)
	if err != nil {
		nc.Close()
		return err
	}
	b.client = client
	b.onClose("client", func(context.Context) error {
		defer nc.Close()
		return client.Close()
	})
	return nil
}

func (b *Broker) onClose(name string, fn func(context.Context) error) {
	b.closers = append(b.closers, closer{name, fn})
}

// Client speaks to this node without a socket. Close closes it.
func (b *Broker) Client() *commitlog.Client { return b.client }

// URL is where other processes reach the node; empty when it does not listen.
func (b *Broker) URL() string { return b.engine.ClientURL() }

// Dir is where the node keeps its data.
func (b *Broker) Dir() string { return b.dir }

// Health is nil while the node can store and serve.
func (b *Broker) Health() error {
	if err := b.admission.Refused(); err != nil {
		return err
	}
	return b.engine.Health()
}

// GaveUp is closed when the disk fails for good, so that the node can neither store nor help itself. Err then says why. It still has to be closed.
func (b *Broker) GaveUp() <-chan struct{} { return b.gaveUp }

// Err is nil until the node gave up, and then a *GaveUpError.
func (b *Broker) Err() error {
	select {
	case <-b.gaveUp:
		return b.cause
	default:
		return nil
	}
}

// Close stops the node: appends that were taken are finished, caches are written, the engine is closed. It may be called more than once.
func (b *Broker) Close(ctx context.Context) error {
	b.once.Do(func() {
		b.stage.Store(int32(stopping))
		var errs []error
		for _, c := range slices.Backward(b.closers) {
			if err := c.close(ctx); err != nil {
				errs = append(errs, fmt.Errorf("closing the %s: %w", c.name, err))
			}
		}
		b.closed = errors.Join(errs...)
	})
	return b.closed
}
