package coordinator

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/groups"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// Log is a shard of the groups topic.
type Log interface {
	// Produce answers from any goroutine, which done must not block.
	Produce(session, producer uint64, batches []wire.ProduceBatch, bytes int, done func([]wire.ProduceResult))
	Fetch(ctx context.Context, req wire.FetchRequest, room func(context.Context, int) error, scratch *[]byte) wire.FetchResponse
	Get(ctx context.Context, req wire.GetRequest, room func(context.Context, int) error) wire.GetResponse
}

// Config says which groups a coordinator runs, and where they are kept. All but Gone, Limits and Logger is required.
type Config struct {
	Log        Log
	Session    uint64  // of the sequencer: in another one nothing is stored
	Epoch      uint64  // of that session
	Partitions []int32 // those of the log's shard
	All        int     // partitions of the groups topic

	// Gone tells which of these topics were deleted, for good: groups forget them. Nil: none is ever deleted.
	Gone   func(ctx context.Context, topics []uuid.UUID) ([]uuid.UUID, error)
	Limits groups.Limits // of each partition
	Logger *slog.Logger  // default: discards
}

// Coordinator runs the groups of a shard.
type Coordinator struct {
	cfg        Config
	partitions map[int32]*partition
	stop       context.CancelFunc
	running    sync.WaitGroup
}

// Start begins to read the groups and then to answer for them. It does not wait.
func Start(ctx context.Context, cfg Config) *Coordinator {
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(ctx)
	c := &Coordinator{cfg: cfg, partitions: make(map[int32]*partition, len(cfg.Partitions)), stop: stop}
	for _, number := range cfg.Partitions {
		p := newPartition(&c.cfg, number)
		c.partitions[number] = p
		c.running.Go(func() { p.run(ctx) })
	}
	return c
}

// Close ends the coordinator, without waiting for its goroutines: requests that wait are answered NotLeader.
func (c *Coordinator) Close() { c.stop() }

// Wait returns when everything that Start began has ended. Call Close before.
func (c *Coordinator) Wait() { c.running.Wait() }

// Group answers a request.
func (c *Coordinator) Group(ctx context.Context, req wire.GroupRequest) wire.GroupResponse {
	p := c.partitions[req.Partition]
	if p == nil {
		return c.answer(wire.Invalid, fmt.Sprintf("partition %d of the groups topic is not served by this shard", req.Partition))
	}
	if !req.List {
		if at := partitioner.Partition("{"+req.Group+"}", c.cfg.All); at != req.Partition {
			return c.answer(wire.Invalid, fmt.Sprintf("group %.200q is in partition %d, not in %d", req.Group, at, req.Partition))
		}
	}
	if req.List || req.Describe {
		return c.ask(ctx, p, req)
	}
	request, ok := toRequest(req)
	if !ok {
		return c.answer(wire.Invalid, "the request says nothing of what is to be done with the group")
	}
	if req.Heartbeat != nil && req.Heartbeat.WaitMS > 0 {
		return c.await(ctx, p, req.Group, request, req.Heartbeat)
	}
	return c.change(ctx, p, req.Group, request)
}

// await answers a heartbeat as soon as there is something to tell the member, or its time has passed.
func (c *Coordinator) await(ctx context.Context, p *partition, group string, request groups.Request, beat *wire.GroupHeartbeat) wire.GroupResponse {
	changed := p.watch(beat.Member)
	defer p.unwatch(beat.Member, changed)
	r := c.change(ctx, p, group, request)
	if r.Code != wire.OK || r.Share != nil {
		return r
	}
	timeout := time.NewTimer(min(time.Duration(beat.WaitMS)*time.Millisecond, wire.GroupWaitMax))
	defer timeout.Stop()
	select {
	case <-changed:
		return c.change(ctx, p, group, groups.Heartbeat{Member: beat.Member, Instance: beat.Instance, Epoch: beat.Epoch})
	case <-timeout.C:
		return r
	case <-p.ended:
		return c.answer(wire.NotLeader, "the coordinator's session ended")
	case <-ctx.Done():
		return c.answer(wire.NotLeader, ctx.Err().Error())
	}
}

func (c *Coordinator) answer(code wire.Code, detail string) wire.GroupResponse {
	return wire.GroupResponse{Code: code, Detail: detail, Epoch: c.cfg.Epoch}
}

// change has a request take part in a turn of its group.
func (c *Coordinator) change(ctx context.Context, p *partition, group string, request groups.Request) wire.GroupResponse {
	r := p.do(ctx, group, request)
	if r.code != wire.OK {
		return c.answer(r.code, r.detail)
	}
	response := fromReply(r.reply)
	response.Epoch = c.cfg.Epoch
	if refuses(response) {
		if code, detail := p.prove(ctx); code != wire.OK {
			return c.answer(code, detail)
		}
	}
	return response
}

// ask answers from what the log says. Whoever asks may act on what is not there, so it is proved that nothing newer is.
func (c *Coordinator) ask(ctx context.Context, p *partition, req wire.GroupRequest) wire.GroupResponse {
	if code, detail := p.prove(ctx); code != wire.OK {
		return c.answer(code, detail)
	}
	response := c.answer(wire.OK, "")
	code, detail := p.look(ctx, func(state *groups.Coordinator) {
		if req.List {
			response.Groups = list(state)
			return
		}
		info, err := describe(state, req.Group)
		if err != nil {
			response.Code, response.Detail = refusal(err)
			return
		}
		response.Groups = []wire.GroupInfo{info}
	})
	if code != wire.OK {
		return c.answer(code, detail)
	}
	return response
}

func refuses(r wire.GroupResponse) bool {
	if r.Code != wire.OK {
		return true
	}
	for _, commit := range r.Commits {
		if commit.Code != wire.OK {
			return true
		}
	}
	return false
}

// measureMax is how long a partition may take to be looked at; one that is being read is left out.
const measureMax = 100 * time.Millisecond

// Measure describes the groups as this coordinator knows them, without a proof that nothing newer is.
func (c *Coordinator) Measure(ctx context.Context) (all []wire.GroupInfo) {
	for _, number := range c.cfg.Partitions {
		limited, cancel := context.WithTimeout(ctx, measureMax)
		var infos []wire.GroupInfo
		code, _ := c.partitions[number].look(limited, func(state *groups.Coordinator) {
			for _, name := range state.Names() {
				if info, err := describe(state, name); err == nil {
					infos = append(infos, info)
				}
			}
		})
		cancel()
		if code == wire.OK {
			all = append(all, infos...)
		}
	}
	return all
}
