package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/native"
)

// ClusterConfig makes a node one of several. Membership is fixed: 1, 3 or 5 nodes, each of which is told of all others.
type ClusterConfig struct {
	// Name is the cluster's, the same on all nodes, for ever.
	Name string

	// Node is this node's name, another one on each, for ever.
	Node string

	// Listen is the host:port at which the other nodes reach this one. Advertise is the one that they are told to use, if it is another.
	Listen, Advertise string

	// Peers are the host:port of the other nodes.
	Peers []string

	// Secret is known to all nodes and to nobody else. TLS, with certificates on both sides, may take its place.
	Secret string
	TLS    *tls.Config
}

// catalogueOf is the id of a cluster's catalogue, which all its nodes know from its name.
func catalogueOf(cluster string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("strand catalogue of cluster "+cluster))
}

func (c *ClusterConfig) nodes() int {
	if c == nil {
		return 1
	}
	return len(c.Peers) + 1
}

func (c *ClusterConfig) engine() *engine.ClusterConfig {
	if c == nil {
		return nil
	}
	return &engine.ClusterConfig{Name: c.Name, Listen: c.Listen, Advertise: c.Advertise, Peers: c.Peers, Secret: c.Secret, TLS: c.TLS}
}

// ErrIdentity is what an [IdentityError] is.
var ErrIdentity = errors.New("the directory belongs to another node")

// IdentityError says that a directory is not that of the node that it was given to. It is an ErrIdentity.
type IdentityError struct{ Dir, What, Has, Want string }

func (e *IdentityError) Error() string {
	return fmt.Sprintf("%s belongs to another node: its %s is %q, not %q: give the node its own directory", e.Dir, e.What, e.Has, e.Want)
}

// Is makes errors.Is(err, ErrIdentity) true.
func (e *IdentityError) Is(target error) bool { return target == ErrIdentity }

// identify gives a node of a cluster its identity, or compares it with the one that its directory has.
func (c *ClusterConfig) identify(dir string, id identity) (identity, error) {
	if c == nil {
		if id.Cluster != "" {
			return id, &IdentityError{Dir: dir, What: "cluster", Has: id.Cluster}
		}
		return id, nil
	}
	id.nodes = c.nodes()
	if id.Cluster == "" && !id.Started {
		id.Cluster, id.Node, id.CatalogueID = c.Name, c.Node, catalogueOf(c.Name)
		return id, id.save(dir)
	}
	switch {
	case id.Cluster != c.Name:
		return id, &IdentityError{Dir: dir, What: "cluster", Has: id.Cluster, Want: c.Name}
	case id.Node != c.Node:
		return id, &IdentityError{Dir: dir, What: "name", Has: id.Node, Want: c.Node}
	}
	return id, nil
}

// ErrCatalogueLost means that a node has been part of a cluster whose other nodes do not know of its topics.
var ErrCatalogueLost = errors.New("the cluster has no catalogue, or another one than this node has seen")

const (
	agreePause   = 250 * time.Millisecond
	agreeTimeout = 2 * time.Second // of a question: while leaders are elected, some are lost
)

// agree waits for a majority of the nodes, and has them agree on the log of their catalogue: the first that makes it names it.
func (b *Broker) agree(ctx context.Context, id *identity) error {
	waiting := time.AfterFunc(time.Second, func() { b.cfg.Logger.Info("waiting for a majority of the cluster's nodes") })
	defer waiting.Stop()
	if err := b.engine.AwaitCluster(ctx); err != nil {
		return err
	}
	for {
		stream := engineStream(catalogueTopic(*id), 0)
		info, err := b.lookup(ctx, stream.Name)
		switch {
		case err == nil:
			return b.adopt(info, id)
		case errors.Is(err, engine.ErrUnknownStream) && id.Started:
			return fmt.Errorf("%w: node %s has started before, and now there is none. Do not let it join: it would delete what it holds", ErrCatalogueLost, id.Node)
		case errors.Is(err, engine.ErrUnknownStream):
			if err = b.createCatalogue(ctx, stream); err == nil || errors.Is(err, engine.ErrConfig) {
				continue
			}
		}
		b.cfg.Logger.Warn("the nodes have no catalogue yet, trying again", "error", err)
		select {
		case <-time.After(agreePause):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the cluster's catalogue: %w", errors.Join(ctx.Err(), err))
		}
	}
}

func (b *Broker) lookup(ctx context.Context, stream string) (engine.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, agreeTimeout)
	defer cancel()
	return b.engine.Lookup(ctx, stream)
}

// createCatalogue makes the catalogue's log, or finds it made by another node.
func (b *Broker) createCatalogue(ctx context.Context, stream engine.Stream) error {
	ctx, cancel := context.WithTimeout(ctx, agreeTimeout)
	defer cancel()
	return b.engine.CreateStream(ctx, stream)
}

// adopt takes over the catalogue that the cluster has.
func (b *Broker) adopt(info engine.StreamInfo, id *identity) error {
	log, err := uuid.Parse(info.Metadata["strand-log"])
	if err != nil {
		return fmt.Errorf("the cluster's catalogue names no log: %w", err)
	}
	if id.Started && log != id.CatalogueLogID {
		return fmt.Errorf("%w: this node has log %s, the cluster log %s. Do not let it join: it would delete what it holds", ErrCatalogueLost, id.CatalogueLogID, log)
	}
	id.CatalogueLogID = log
	return id.save(b.dir)
}

// leadership tells of the newest change of who leads the catalogue. Whoever sets it does not wait.
type leadership struct {
	leads atomic.Bool
	wake  chan struct{}
}

func newLeadership() *leadership { return &leadership{wake: make(chan struct{}, 1)} }

func (l *leadership) set(leads bool) {
	l.leads.Store(leads)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// followCatalogue keeps this node's topics what the catalogue says, takes changes of it while this node leads it, and hands on what this node leads too
// much of.
func (b *Broker) followCatalogue(ctx context.Context, server *native.Server, faces catalogue, led *leadership) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{}, 3)
	go func() {
		defer func() { done <- struct{}{} }()
		b.balance(ctx)
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		if err := b.catalogue.Follow(ctx); err != nil {
			b.cfg.Logger.Error("this node does not learn of changes of topics any more", "error", err)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		b.leadCatalogue(ctx, server, faces, led)
	}()
	b.onClose("catalogue", func(context.Context) error {
		stop()
		for range cap(done) {
			<-done
		}
		return nil
	})
}

func (b *Broker) leadCatalogue(ctx context.Context, server *native.Server, faces catalogue, led *leadership) {
	var retry <-chan time.Time
	for {
		select {
		case <-led.wake:
		case <-retry:
		case <-ctx.Done():
			return
		}
		retry = nil
		err := server.StopChanges()
		if led.leads.Load() && err == nil {
			if err = b.catalogue.Lead(ctx); err == nil {
				err = server.ServeChanges(faces)
			}
		}
		if err != nil && ctx.Err() == nil {
			b.cfg.Logger.Warn("changes of topics are not taken, trying again", "error", err)
			retry = time.After(agreePause)
		}
	}
}

// awaitTopics returns when this node knows all topics, and has started its part of them.
func (b *Broker) awaitTopics(ctx context.Context, faces catalogue) error {
	for {
		err := faces.current(ctx)
		if err == nil {
			return b.catalogue.Started(ctx)
		}
		select {
		case <-time.After(agreePause):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
