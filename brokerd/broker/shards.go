package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	cfg    Config
	engine *engine.Engine
	server *native.Server
	node   string
	dir    string

	mu     sync.Mutex
	closed bool
	topics map[uuid.UUID][]*shard.Shard // by shard number
}

func newShards(cfg Config, e *engine.Engine, server *native.Server, node, dir string) *shards {
	return &shards{cfg: cfg, engine: e, server: server, node: node, dir: dir, topics: map[uuid.UUID][]*shard.Shard{}}
}

// Start opens the shards of a topic, and creates their engine streams while the topic itself is being created.
func (s *shards) Start(ctx context.Context, t topics.Topic) error {
	if s.of(t.ID) != nil {
		return nil
	}
	var opened []*shard.Shard
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

func (s *shards) start(ctx context.Context, t topics.Topic, i int) (*shard.Shard, error) {
	stream := engineStream(t, i)
	if t.State == topics.Creating {
		if err := s.engine.CreateStream(ctx, stream); err != nil {
			return nil, err
		}
	}
	if _, err := s.engine.OpenStream(ctx, stream); err != nil {
		return nil, err
	}
	return s.open(ctx, t, i)
}

// open runs the sequencer of one shard. A shard that can never serve is kept: it answers with the reason.
func (s *shards) open(ctx context.Context, t topics.Topic, i int) (*shard.Shard, error) {
	logger := s.cfg.Logger.With("component", "shard", "topic", t.Name, "shard", i)
	sh, err := shard.Open(ctx, shard.Config{
		Log:      engineLog{engine: s.engine, stream: engineStream(t, i).Name},
		Dir:      filepath.Join(s.dir, t.ID.String()+"-"+strconv.Itoa(i)),
		LogID:    t.LogID,
		Layout:   shard.Layout{Shard: i, Shards: t.Shards, Partitions: t.Partitions},
		HeadsMax: s.cfg.HeadsMax,

		Kind:         t.Kind,
		Retention:    t.Retention,
		ProducerTime: t.ProducerTime,

		Logger: logger,
		Opened: func(sh *shard.Shard, session, epoch uint64) error {
			return s.server.Open(native.Session{Topic: t.ID, Shard: i, ID: session, Epoch: epoch, Target: sh})
		},
		Closed: s.server.CloseSession,
	})
	if sh == nil {
		return nil, err
	}
	if err != nil {
		logger.Error("the shard serves nothing", "error", err)
	}
	return sh, nil
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

// Remove closes the shards of a topic and deletes what they kept.
func (s *shards) Remove(ctx context.Context, t topics.Topic) error {
	s.mu.Lock()
	open := s.topics[t.ID]
	delete(s.topics, t.ID)
	s.mu.Unlock()
	if err := closeAll(ctx, open); err != nil {
		s.cfg.Logger.Warn("a deleted topic did not close cleanly", "topic", t.Name, "error", err)
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

func (s *shards) of(id uuid.UUID) []*shard.Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.topics[id]
}

// info describes a topic with its shards.
func (s *shards) info(t topics.Topic) wire.TopicInfo {
	info := wire.TopicInfo{TopicSpec: t.TopicSpec, ID: t.ID, LogID: t.LogID, State: string(t.State), Created: t.Created}
	for _, sh := range s.of(t.ID) {
		info.Shard = append(info.Shard, sh.ShardInfo(s.node))
	}
	return info
}

func (s *shards) close(ctx context.Context) error {
	s.mu.Lock()
	var open []*shard.Shard
	for _, of := range s.topics {
		open = append(open, of...)
	}
	clear(s.topics)
	s.closed = true
	s.mu.Unlock()
	return closeAll(ctx, open)
}

// closeAll closes shards side by side: each may have to wait for its window.
func closeAll(ctx context.Context, open []*shard.Shard) error {
	errs := make([]error, len(open))
	var group sync.WaitGroup
	for i, sh := range slices.All(open) {
		group.Go(func() { errs[i] = sh.Close(ctx) })
	}
	group.Wait()
	return errors.Join(errs...)
}
