package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/google/uuid"
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
	topics map[uuid.UUID][]*keeper // by shard number
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
}

func newShards(cfg shardsConfig) *shards {
	return &shards{shardsConfig: cfg, topics: map[uuid.UUID][]*keeper{}}
}

// Start opens the shards of a topic, and creates their engine streams while the topic itself is being created.
func (s *shards) Start(ctx context.Context, t topics.Topic) error {
	if s.of(t.ID) != nil {
		return nil
	}
	var opened []*keeper
	for i := range t.Shards {
		sh, err := s.start(ctx, t, i)
		if err != nil {
			return errors.Join(fmt.Errorf("shard %d: %w", i, err), closeAll(context.WithoutCancel(ctx), opened))
		}
		opened = append(opened, sh)
	}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.topics[t.ID] = opened
	}
	s.mu.Unlock()
	if closed {
		return errors.Join(errClosed, closeAll(context.WithoutCancel(ctx), opened))
	}
	return nil
}

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
	logger := s.Logger.With("component", "shard", "topic", t.Name, "shard", i)
	retention := shard.NewRetentionPolicy(t.Retention)
	open := func(ctx context.Context) (*shard.Shard, error) { return s.open(ctx, t, i, retention, logger) }
	k, err := keep(ctx, open, s.room, logger)
	if err != nil {
		return nil, err
	}
	k.topic, k.number, k.stream, k.layout, k.retention = t.Name, i, stream.Name, layoutOf(t, i), retention
	return k, nil
}

// open runs the sequencer of one shard.
func (s *shards) open(ctx context.Context, t topics.Topic, i int, retention *shard.RetentionPolicy, logger *slog.Logger) (*shard.Shard, error) {
	return shard.Open(ctx, shard.Config{
		Log:      engineLog{engine: s.engine, stream: engineStream(t, i).Name},
		Dir:      filepath.Join(s.dir, t.ID.String()+"-"+strconv.Itoa(i)),
		LogID:    t.LogID,
		Layout:   layoutOf(t, i),
		HeadsMax: s.HeadsMax,

		Kind:         t.Kind,
		Retention:    retention,
		ProducerTime: t.ProducerTime,

		RetentionPolling: s.RetentionInterval,

		Logger:    logger,
		Admission: s.admissionOf(t),
		Opened: func(sh *shard.Shard, session, epoch uint64) error {
			return s.server.Open(native.Session{Topic: t.ID, Shard: i, ID: session, Epoch: epoch, Target: s.target(sh, t.Name, i)})
		},
		Closed: s.server.CloseSession,
	})
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

// Remove closes the shards of a topic and deletes what they kept.
func (s *shards) Remove(ctx context.Context, t topics.Topic) error {
	s.mu.Lock()
	open := s.topics[t.ID]
	delete(s.topics, t.ID)
	s.mu.Unlock()
	if err := closeAll(ctx, open); err != nil {
		s.Logger.Warn("a deleted topic did not close cleanly", "topic", t.Name, "error", err)
	}
	for i := range t.Shards {
		if err := s.engine.DeleteStream(ctx, engineStream(t, i).Name); err != nil && !errors.Is(err, engine.ErrUnknownStream) {
			return fmt.Errorf("deleting the log of shard %d: %w", i, err)
		}
		if err := os.RemoveAll(filepath.Join(s.dir, t.ID.String()+"-"+strconv.Itoa(i))); err != nil {
			return fmt.Errorf("deleting the caches of shard %d: %w", i, err)
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

// info describes a topic with its shards.
func (s *shards) info(t topics.Topic) wire.TopicInfo {
	info := wire.TopicInfo{TopicSpec: t.TopicSpec, ID: t.ID, LogID: t.LogID, State: string(t.State), Created: t.Created}
	for _, k := range s.of(t.ID) {
		info.Shard = append(info.Shard, k.current().ShardInfo(s.node))
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
	return closeAll(ctx, open)
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
