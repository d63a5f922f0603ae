package projections

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// Sink is where the effects of a projection and its checkpoint are committed together. T is what handlers write to:
// [*Rows] for folds, a database transaction for handlers with SQL of their own.
//
// The workers of several processes write to one sink, unless that is [Private].
//
// The suite in projectionstest is the law for every implementation.
type Sink[T any] interface {
	// Claim takes over one partition. Every lane of the partition that was claimed with a lower epoch, or with the same
	// epoch before, is fenced from here on. A claim below the highest epoch seen is refused with [ErrFenced]; one that
	// names another topic or log than the checkpoint with [ErrLogDiverged].
	Claim(ctx context.Context, c Claim) (Lane[T], error)

	// Setup calls fn in a transaction, once in the life of a projection version: what fn wrote and the fact that it ran are
	// committed together. After Reset it runs again.
	Setup(ctx context.Context, p ID, fn func(T) error) error

	// Watch yields the durable checkpoints of a projection as they are, and then again after every change, until ctx ends.
	// Changes that follow each other closely may be yielded as one.
	Watch(ctx context.Context, p ID) iter.Seq2[Checkpoints, error]

	// Reset removes everything that the projection version wrote, its checkpoints and its source, and fences its lanes.
	// The epochs stay, so that a lane of the past can never come back.
	Reset(ctx context.Context, p ID) error
}

// Lane is a claimed partition. Its commits are sequential; lanes of different partitions commit at the same time.
type Lane[T any] interface {
	// Checkpoint is the mark of the last commit, or the zero Mark.
	Checkpoint() Mark

	// Commit calls fn before it returns, once or, when rows that it has read were changed meanwhile, again with newer ones; handlers that write anything
	// elsewhere have to be ready for that. It makes its effects and the mark durable together, or neither.
	// An error of fn is returned as it is or wrapped; nothing of the commit is kept then, and the lane can be used again.
	// [ErrFenced] means that the partition has another owner: nothing was written and nothing ever will be by this lane.
	//
	// A lane may pipeline: return before the effects are durable. A failure is then returned by a later Commit or by
	// Close, and fences every commit after the failed one.
	Commit(ctx context.Context, next Mark, fn func(T) error) error

	// Close waits for commits under way and releases the lane. Closing twice is allowed.
	Close() error
}

// ID names one version of a projection. Every version has its own read model and its own checkpoints.
type ID struct {
	Name    string
	Version int
}

// String is the form used in messages: "balances v2".
func (p ID) String() string { return fmt.Sprintf("%s v%d", p.Name, p.Version) }

// Source is the log that a projection reads. A topic that was deleted and created again has another TopicID; a log that was
// restored from a backup has another LogID.
type Source struct {
	Topic      string
	TopicID    uuid.UUID
	LogID      uuid.UUID
	Partitions int // how many the topic has
}

// sourceOf is a topic as a source.
func sourceOf(t commitlog.Topic) Source {
	return Source{Topic: t.Name, TopicID: t.ID, LogID: t.LogID, Partitions: len(t.Partitions)}
}

// Claim asks a sink for one partition of a projection.
type Claim struct {
	Projection string
	Version    int
	Topic      string
	TopicID    uuid.UUID
	LogID      uuid.UUID
	Partitions int // how many the topic has
	Partition  int32
	Epoch      uint64 // of the assignment; a later owner of the partition has a higher one
}

// ID is the projection version that claims.
func (c Claim) ID() ID { return ID{Name: c.Projection, Version: c.Version} }

// Source is the log that the claim belongs to.
func (c Claim) Source() Source {
	return Source{Topic: c.Topic, TopicID: c.TopicID, LogID: c.LogID, Partitions: c.Partitions}
}

// Mark says how far one partition is projected: the effects of all records below Next are in the sink, and of none above.
type Mark struct {
	Next     int64
	LogEpoch uint64    // of the leader that served the record before Next
	EventID  uuid.UUID // of the record before Next; compared with the log on resume. Nil: nothing to compare
}

// Checkpoint is a mark and the epoch of the partition's owner.
type Checkpoint struct {
	Mark
	Epoch uint64
}

// Checkpoints are the checkpoints of one projection version. A zero Source means that no worker has claimed a partition yet.
type Checkpoints struct {
	Source     Source
	Partitions map[int32]Checkpoint
	Paused     bool // nothing is committed until it is resumed
}

// checkpoints reads what sink holds at this moment.
func checkpoints[T any](ctx context.Context, sink Sink[T], p ID) (Checkpoints, error) {
	for c, err := range sink.Watch(ctx, p) {
		if err != nil {
			return Checkpoints{}, fmt.Errorf("reading the checkpoints of projection %s: %w", p, err)
		}
		return c, nil
	}
	return Checkpoints{}, fmt.Errorf("reading the checkpoints of projection %s: the sink answered nothing", p)
}
