package eventstore

import (
	"context"
	"iter"

	"github.com/strandlog/strand/commitlog"
)

// Log is the driver of a store. [*commitlog.Client] is one, [*Memory] is the other; package eventstoretest holds the law for both.
type Log interface {
	// Topic looks a topic up. Errors: ErrUnknownTopic, ErrInvalidName.
	Topic(ctx context.Context, name string) (commitlog.Topic, error)
	// CreateTopic creates a topic. Errors: commitlog.ErrTopicExists, ErrInvalidName, ErrInvalid.
	CreateTopic(ctx context.Context, cfg commitlog.TopicConfig) (commitlog.Topic, error)
	// Append stores all writes or none. Errors: ErrConflict, ErrIndefinite, ErrTooLarge, ErrInvalidName, ErrInvalid, ErrUnknownTopic.
	Append(ctx context.Context, topic commitlog.Topic, a commitlog.Append) (commitlog.Appended, error)
	// Records yields a partition by ascending offset. Errors: ErrOffsetOutOfRange, ErrCorrupt, ErrInvalid, ErrUnknownTopic.
	Records(ctx context.Context, topic commitlog.Topic, partition int32, r commitlog.Range) iter.Seq2[commitlog.Record, error]
	// Stream yields a stream by ascending version. Errors: ErrInvalidName, ErrInvalid, ErrUnknownTopic.
	Stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) iter.Seq2[commitlog.StreamRecord, error]
}
