package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/coordinator"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/native"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/internal/wire"
)

// shards runs the sequencers of a node's topics.
type shards struct {
	shardsConfig

	mu     sync.Mutex
	closed bool
	topics map[uuid.UUID][]*keeper // those of which this node has a copy, by shard number
	ended  map[uuid.UUID]bool      // topics that were deleted: they are not started again

	groups coordinators
}

// shardsConfig is what all shards of a node have in common.
type shardsConfig struct {
	Config
	engine    *engine.Engine
	server    *native.Server
	node      string
	catalogue uuid.UUID
	dir       string // segments and indexes
	admission *shard.Admission
	room      func() error // nil while there is room in dir
	members   *members     // nil: the node is alone
	led       *leadership  // of the catalogue
}

func newShards(cfg shardsConfig) *shards {
	s := &shards{shardsConfig: cfg, topics: map[uuid.UUID][]*keeper{}, ended: map[uuid.UUID]bool{}}
	s.groups.open = map[uint64]*coordinator.Coordinator{}
	return s
}

// Start opens the shards of a topic, and creates their engine streams while the topic itself is being created.
func (s *shards) Start(ctx context.Context, t topics.Topic) error {
	if s.of(t.ID) != nil {
		return nil
	}
	opened := []*keeper{}
	for i := range t.Shards {
		sh, err := s.start(ctx, t, i)
		if err != nil {
			return errors.Join(fmt.Errorf("shard %d: %w", i, err), closeAll(context.WithoutCancel(ctx), opened))
		}
		if sh != nil {
			opened = append(opened, sh)
		}
	}
	s.mu.Lock()
	closed, ended := s.closed, s.ended[t.ID]
	if !closed && !ended {
		s.topics[t.ID] = opened
	}
	s.mu.Unlock()
	switch {
	case closed:
		return errors.Join(errClosed, closeAll(context.WithoutCancel(ctx), opened))
	case ended: // it may have written to what Stop has deleted
		return errors.Join(closeAll(ctx, opened), s.removeCaches(t))
	}
	return nil
}

// hosts says whether this node is to have a copy of a shard.
func (s *shards) hosts(ctx context.Context, t topics.Topic, stream string) (bool, error) {
	if s.members == nil || t.Replicas == s.members.nodes() {
		return true, nil
	}
	leader, replicas, err := s.engine.Replicas(ctx, stream)
	if err != nil {
		return false, err
	}
	return leader == s.node || slices.ContainsFunc(replicas, func(r engine.Replica) bool { return r.Node == s.node }), nil
}

// start opens one shard, or answers nil because other nodes have its copies.

func (s *shards) start(ctx context.Context, t topics.Topic, i int) (*keeper, error) {
	stream := engineStream(t, i)
	if t.State == topics.Creating {
		if err := s.engine.CreateStream(ctx, stream); err != nil {
			return nil, err
		}
	}
	if _, err := s.engine.OpenStream(ctx, stream); err != nil {
		return nil, err
	}
	if hosts, err := s.hosts(ctx, t, stream.Name); err != nil || !hosts {
		return nil, err
	}
	if s.members != nil {
		if err := s.engine.AwaitCopy(ctx, stream.Name); err != nil {
			return nil, err
		}
	}
	logger := s.Logger.With("component", "shard", "topic", t.Name, "shard", i)
	retention := shard.NewRetentionPolicy(t.Retention)
	open := func(ctx context.Context) (*shard.Shard, error) { return s.open(ctx, t, i, retention, logger) }
	k, err := keep(ctx, open, s.room, logger)
	if err != nil {
		return nil, err
	}
	k.topic, k.number, k.stream, k.layout, k.retention, k.minInSync = t.Name, i, stream.Name, layoutOf(t, i), retention, t.MinInSync
	return k, nil
}

// open runs the sequencer of one shard.
func (s *shards) open(ctx context.Context, t topics.Topic, i int, retention *shard.RetentionPolicy, logger *slog.Logger) (*shard.Shard, error) {
	var log shard.Log = engineLog{engine: s.engine, stream: engineStream(t, i).Name, cut: s.members != nil && t.Kind != wire.KindVersioned}
	if s.wrapLog != nil {
		log = s.wrapLog(t.Name, log)
	}
	return shard.Open(ctx, shard.Config{
		Log:      log,
		Dir:      filepath.Join(s.dir, t.ID.String()+"-"+strconv.Itoa(i)),
		LogID:    t.LogID,
		Layout:   layoutOf(t, i),
		HeadsMax: s.HeadsMax,
		Window:   s.window,

		Kind:         t.Kind,
		Retention:    retention,
		ProducerTime: t.ProducerTime,
		Replicated:   s.members != nil,

		RetentionPolling: s.RetentionInterval,

		Logger:    logger,
		Admission: s.admissionOf(t),
		Short:     s.members.shortOf(t, engineStream(t, i).Name),
		Opened: func(sh *shard.Shard, session, epoch uint64) error {
			s.tellLed(t, true)
			served := native.Session{Topic: t.ID, Shard: i, ID: session, Epoch: epoch, Target: s.target(sh, t.Name, i)}
			if t.Name == wire.GroupsTopic {
				served.Target, served.Groups = internalShard{served.Target}, s.groups.start(ctx, sh, t, layoutOf(t, i), session, epoch, logger)
			}
			return s.server.Open(served)
		},
		Closed: func(session uint64) {
			s.tellLed(t, false)
			s.server.CloseSession(session)
			s.groups.stop(session)
		},
	})
}

// tellLed tells who leads the catalogue.
func (s *shards) tellLed(t topics.Topic, leads bool) {
	if t.ID == s.catalogue {
		s.led.set(leads)
	}
}

// admissionOf is what closes a topic's shards while the disk is full: nothing does the catalogue's, because its changes are how room is made.
func (s *shards) admissionOf(t topics.Topic) *shard.Admission {
	if t.ID == s.catalogue {
		return nil
	}
	return s.admission
}

func layoutOf(t topics.Topic, i int) shard.Layout {
	return shard.Layout{Shard: i, Shards: t.Shards, Partitions: t.Partitions}
}

// engineStream is the engine stream of a shard. Its name and metadata hold the ids of the topic and of its log, so that a log is never
// taken for another one's.
func engineStream(t topics.Topic, i int) engine.Stream {
	return engine.Stream{
		Name:      "strand-" + t.ID.String() + "-" + strconv.Itoa(i),
		Versioned: t.Kind == wire.KindVersioned,
		Replicas:  t.Replicas,
		Metadata:  map[string]string{"strand-topic": t.ID.String(), "strand-log": t.LogID.String(), "strand-shard": strconv.Itoa(i)},
	}
}

// Alter has the shards of a topic keep what it says now. One that is opened again later reads the same policy.
func (s *shards) Alter(t topics.Topic) {
	for _, k := range s.of(t.ID) {
		k.retention.Set(t.Retention)
		k.current().CheckRetention()
	}
}

// Stop closes the shards of a topic and deletes their segments and indexes.
func (s *shards) Stop(ctx context.Context, t topics.Topic) error {
	s.mu.Lock()
	open := s.topics[t.ID]
	delete(s.topics, t.ID)
	s.ended[t.ID] = true
	s.mu.Unlock()
	if err := closeAll(ctx, open); err != nil {
		s.Logger.Warn("a deleted topic did not close cleanly", "topic", t.Name, "error", err)
	}
	if err := s.removeCaches(t); err != nil && !errors.Is(err, syscall.ENOTEMPTY) { // then a Start that is under way writes to them, and removes them behind it
		return err
	}
	return nil
}

// removeCaches deletes what this node keeps of a topic beside its log.
func (s *shards) removeCaches(t topics.Topic) error {
	for i := range t.Shards {
		if err := os.RemoveAll(filepath.Join(s.dir, t.ID.String()+"-"+strconv.Itoa(i))); err != nil {
			return fmt.Errorf("deleting the caches of shard %d: %w", i, err)
		}
	}
	return nil
}

// Remove stops a topic and deletes its log.
func (s *shards) Remove(ctx context.Context, t topics.Topic) error {
	if err := s.Stop(ctx, t); err != nil {
		return err
	}
	for i := range t.Shards {
		if err := s.engine.DeleteStream(ctx, engineStream(t, i).Name); err != nil && !errors.Is(err, engine.ErrUnknownStream) {
			return fmt.Errorf("deleting the log of shard %d: %w", i, err)
		}
	}
	return nil
}

var errClosed = errors.New("the node is closed")

func (s *shards) of(id uuid.UUID) []*keeper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[id]
}

// local is what this node says of the shards of a topic of which it has a copy.
func (s *shards) local(ctx context.Context, id uuid.UUID) []wire.ShardInfo {
	var infos []wire.ShardInfo
	for _, k := range s.of(id) {
		info := k.current().ShardInfo(s.node)
		if s.members != nil {
			s.members.complete(ctx, k, &info)
		}
		infos = append(infos, info)
	}
	return infos
}

// info describes a topic with its shards, wherever they are.
func (s *shards) info(ctx context.Context, t topics.Topic) wire.TopicInfo {
	info := wire.TopicInfo{TopicSpec: t.TopicSpec, ID: t.ID, LogID: t.LogID, State: string(t.State), Created: t.Created}
	info.Shard = s.local(ctx, t.ID)
	if s.members != nil {
		info.Shard = s.members.merge(ctx, t, info.Shard)
	}
	return info
}

func (s *shards) close(ctx context.Context) error {
	s.mu.Lock()
	var open []*keeper
	for _, of := range s.topics {
		open = append(open, of...)
	}
	clear(s.topics)
	s.closed = true
	s.mu.Unlock()
	err := closeAll(ctx, open)
	s.groups.running.Wait()
	var succession sync.WaitGroup
	room := make(chan struct{}, handOnAtOnce)
	for _, k := range open { // what they had in flight is answered: others may go on
		room <- struct{}{}
		succession.Go(func() {
			defer func() { <-room }()
			if down := s.handOn(ctx, k.stream); down != nil && ctx.Err() == nil {
				s.Logger.Warn("the leadership of a shard could not be handed on", "topic", k.topic, "shard", k.number, "error", down)
			}
		})
	}
	succession.Wait()
	return err
}

// handOnAtOnce is how many shards are handed on side by side.
const handOnAtOnce = 16

// handOn has another node lead an engine stream, if this one does, and returns when it does.
func (s *shards) handOn(ctx context.Context, stream string) error {
	to, err := s.engine.HandOn(ctx, stream, "")
	if err != nil || to == "" {
		return err
	}
	return s.engine.AwaitSuccessor(ctx, stream)
}

// closeAll closes shards side by side: each may have to wait for its window.
func closeAll(ctx context.Context, open []*keeper) error {
	errs := make([]error, len(open))
	var group sync.WaitGroup
	for i, k := range open {
		group.Go(func() { errs[i] = k.close(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}
