package broker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/coordinator"
	"github.com/strandlog/strand/brokerd/native"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/internal/wire"
)

// groupsPartitions is how many partitions the groups topic has: coordinators of its groups are spread over the nodes by it.
const groupsPartitions = 16

// coordinators run the consumer groups beside the sessions of the groups topic that this node serves.
type coordinators struct {
	catalogue atomic.Pointer[catalogue] // nil until it was opened
	running   sync.WaitGroup

	mu   sync.Mutex
	open map[uint64]*coordinator.Coordinator // by session
}

// start runs the coordinators of a session that begins.
func (c *coordinators) start(ctx context.Context, sh *shard.Shard, t topics.Topic, layout shard.Layout, session, epoch uint64, logger *slog.Logger) *coordinator.Coordinator {
	var mine []int32
	for p := range int32(t.Partitions) {
		if _, ok := layout.Slot(p); ok {
			mine = append(mine, p)
		}
	}
	started := coordinator.Start(context.WithoutCancel(ctx), coordinator.Config{
		Log: groupsLog{sh}, Session: session, Epoch: epoch, Partitions: mine, All: t.Partitions, Gone: c.gone, Logger: logger.With("component", "groups"),
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[session] = started
	return started
}

// stop ends those of a session. Its shard may wait for this: they end on their own.
func (c *coordinators) stop(session uint64) {
	c.mu.Lock()
	ended := c.open[session]
	delete(c.open, session)
	c.mu.Unlock()
	if ended != nil {
		ended.Close()
		c.running.Go(ended.Wait)
	}
}

// measure describes the groups whose coordinators this node runs.
func (c *coordinators) measure(ctx context.Context) (all []wire.GroupInfo) {
	c.mu.Lock()
	open := slices.Collect(maps.Values(c.open))
	c.mu.Unlock()
	for _, one := range open {
		all = append(all, one.Measure(ctx)...)
	}
	slices.SortFunc(all, func(a, b wire.GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

var errStarting = errors.New("this node is starting")

// gone tells which topics were deleted.
func (c *coordinators) gone(ctx context.Context, ids []uuid.UUID) (gone []uuid.UUID, err error) {
	at := c.catalogue.Load()
	if at == nil {
		return nil, errStarting
	}
	if at.shards.members != nil { // one that this node has not heard of yet is not one that was deleted
		if err := at.current(ctx); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if _, there := at.topics.ByID(id); !there {
			gone = append(gone, id)
		}
	}
	return gone, nil
}

// groupsLog is a shard as its coordinators see it.
type groupsLog struct{ *shard.Shard }

// Fetch reads batches.
func (l groupsLog) Fetch(ctx context.Context, req wire.FetchRequest, room func(context.Context, int) error, scratch *[]byte) wire.FetchResponse {
	return l.Shard.Fetch(ctx, req, room, scratch)
}

// Get looks a key up.
func (l groupsLog) Get(ctx context.Context, req wire.GetRequest, room func(context.Context, int) error) wire.GetResponse {
	return l.Shard.Get(ctx, req, room)
}

// internalShard is a shard into which only the node itself writes.
type internalShard struct{ native.Shard }

// Produce refuses.
func (internalShard) Produce(_, _ uint64, batches []wire.ProduceBatch, _ int, done func([]wire.ProduceResult)) {
	results := make([]wire.ProduceResult, len(batches))
	for i := range results {
		results[i] = wire.ProduceResult{Code: wire.Invalid, Detail: "the topic is the brokers' own: choose another one"}
	}
	done(results)
}

// groupsSpec is what the groups topic is created from.
func groupsSpec() wire.TopicSpec {
	return wire.TopicSpec{Name: wire.GroupsTopic, Kind: wire.KindTable, Partitions: groupsPartitions}
}
