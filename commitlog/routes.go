package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// route is where one session of a shard's sequencer answers.
type route struct {
	epoch   uint64
	session uint64 // 0: no session is known

	append, produce, fetch, stream, get, deleteBefore, group string // subjects
}

// mark is the newest that the client has seen of a partition. Whatever node answers must have reached it.
type mark struct {
	epoch  uint64
	offset int64
}

// routes knows where the shards of one topic are served: of each the session with the highest epoch that any answer named. So it never goes back
// to a session that it has left, which tries relies on.
type routes struct {
	client *Client
	name   string
	id     uuid.UUID

	describing chan struct{} // holds a token while somebody describes the topic: the others wait and use the result

	mu     sync.Mutex
	shards []route
	seen   []mark // by partition
}

func newRoutes(c *Client, t Topic) *routes {
	return &routes{
		client: c, name: t.Name, id: t.ID, describing: make(chan struct{}, 1),
		shards: make([]route, t.Shards), seen: make([]mark, len(t.Partitions)),
	}
}

// find returns the route of a shard. A route of the session stale, which the caller found wanting, counts as none known: the brokers are asked
// again, and may give the same answer. Its error is fatal when the shard will not serve again, otherwise passing.
func (r *routes) find(ctx context.Context, shard int, stale uint64) (route, error) {
	if at, ok := r.known(shard, stale); ok {
		return at, nil
	}
	select {
	case r.describing <- struct{}{}:
		defer func() { <-r.describing }()
	case <-ctx.Done():
		return route{}, ended(ctx)
	}
	if at, ok := r.known(shard, stale); ok {
		return at, nil
	}
	info, err := r.describe(ctx)
	if err != nil {
		return route{}, err
	}
	return r.adopt(info, shard)
}

func (r *routes) known(shard int, stale uint64) (route, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.shards[shard]
	return at, at.session != 0 && at.session != stale
}

// describe asks once.
func (r *routes) describe(ctx context.Context) (wire.TopicInfo, error) {
	resp, err := r.client.askCatalogue(ctx, wire.SubjectTopicDescribe, wire.TopicRequest{Name: r.name, ID: r.id})
	if err != nil {
		return wire.TopicInfo{}, err
	}
	switch {
	case resp.Code == wire.UnknownTopic, resp.Code == wire.OK && (len(resp.Topics) != 1 || resp.Topics[0].ID != r.id):
		return wire.TopicInfo{}, &UnknownTopicError{Topic: r.name}
	case resp.Code != wire.OK:
		return wire.TopicInfo{}, refusal(resp.Code, resp.Detail)
	}
	return resp.Topics[0], nil
}

// adopt takes over what is newer than what is known and returns the route of one shard.
func (r *routes) adopt(info wire.TopicInfo, shard int) (route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := fmt.Errorf("shard %d of topic %q is not served", shard, r.name)
	for _, s := range info.Shard {
		if s.Shard < 0 || s.Shard >= len(r.shards) {
			continue
		}
		if s.Shard == shard {
			err = r.fault(s)
		}
		if at := &r.shards[s.Shard]; s.Session != 0 && s.State == wire.ShardServing && s.Epoch > at.epoch {
			*at = route{
				epoch: s.Epoch, session: s.Session,
				append:       wire.ShardSubject(wire.VerbAppend, r.id, s.Shard, s.Session),
				produce:      wire.ShardSubject(wire.VerbProduce, r.id, s.Shard, s.Session),
				fetch:        wire.ShardSubject(wire.VerbFetch, r.id, s.Shard, s.Session),
				stream:       wire.ShardSubject(wire.VerbStream, r.id, s.Shard, s.Session),
				get:          wire.ShardSubject(wire.VerbGet, r.id, s.Shard, s.Session),
				deleteBefore: wire.ShardSubject(wire.VerbDeleteBefore, r.id, s.Shard, s.Session),
				group:        wire.ShardSubject(wire.VerbGroup, r.id, s.Shard, s.Session),
			}
		}
	}
	if err == nil && r.shards[shard].session == 0 {
		err = fmt.Errorf("shard %d of topic %q names no session", shard, r.name)
	}
	return r.shards[shard], err
}

// fault says why a shard does not serve, nil when it does.
func (r *routes) fault(s wire.ShardInfo) error {
	switch s.State {
	case wire.ShardServing:
		return nil
	case wire.ShardCorrupt:
		return &CorruptError{Topic: r.name, Partition: -1, Offset: -1, Cause: fmt.Errorf("shard %d: %s", s.Shard, s.Detail)}
	case wire.ShardDiverged:
		return &DivergedError{Topic: r.name, Detail: s.Detail}
	case wire.ShardNoStorage:
		return &StorageError{Topic: r.name, Detail: s.Detail}
	case wire.ShardNoQuorum:
		return &ReplicasError{Topic: r.name, Detail: s.Detail}
	default:
		return fmt.Errorf("shard %d of topic %q is %s %s", s.Shard, r.name, s.State, s.Detail)
	}
}

// fatal tells the errors that asking again cannot cure.
func fatal(err error) bool {
	if _, refused := errors.AsType[*GroupError](err); refused {
		return true
	}
	return errors.Is(err, ErrUnknownTopic) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrLogDiverged) ||
		errors.Is(err, ErrInvalid) || errors.Is(err, ErrOffsetOutOfRange) || errors.Is(err, ErrClosed)
}

// saw remembers how far a partition reaches.
func (r *routes) saw(partition int32, epoch uint64, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if int(partition) >= len(r.seen) {
		return // no partition of this topic: the broker's fault, and no harm
	}
	m := &r.seen[partition]
	m.epoch, m.offset = max(m.epoch, epoch), max(m.offset, offset)
}

func (r *routes) newest(partition int32) mark {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[partition]
}
