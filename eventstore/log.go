package eventstore

import (
	"context"
	"iter"

	"github.com/strandlog/strand/commitlog"
)

// Log is the driver of a store. [*commitlog.Client] is one, [*Memory] is the other; package eventstoretest holds the law for both.
type Log interface {
	// Topic looks a topic up. Error: ErrUnknownTopic.
	Topic(ctx context.Context, name string) (commitlog.Topic, error)
	// CreateTopic creates a topic. Error: ErrTopicExists.
	CreateTopic(ctx context.Context, cfg commitlog.TopicConfig) (commitlog.Topic, error)
	// Append stores all writes or none. Errors: ErrConflict, ErrIndefinite, ErrTooLarge.
	Append(ctx context.Context, topic commitlog.Topic, a commitlog.Append) (commitlog.Appended, error)
	// Records yields a partition by ascending offset.
	Records(ctx context.Context, topic commitlog.Topic, partition int32, r commitlog.Range) iter.Seq2[commitlog.Record, error]
	// Stream yields a stream by ascending version.
	Stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) iter.Seq2[commitlog.StreamRecord, error]
}
