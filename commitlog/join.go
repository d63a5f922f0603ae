package commitlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Source is what a group reads: topics, by their names, and how the values of their records are decoded.
type Source[T any] struct {
	topics []string
	decode func(r *Record) (T, error)
}

// JSON reads topics whose values are JSON.
func JSON[T any](topics ...string) Source[T] {
	return Decoded(func(r *Record) (v T, err error) {
		err = json.Unmarshal(r.Value, &v)
		return v, err
	}, topics...)
}

// Bytes reads topics and leaves their values as they are.
func Bytes(topics ...string) Source[[]byte] {
	return Decoded(func(r *Record) ([]byte, error) { return r.Value, nil }, topics...)
}

// Decoded reads topics whose values decode makes of records.
func Decoded[T any](decode func(r *Record) (T, error), topics ...string) Source[T] {
	return Source[T]{topics, decode}
}

// Received is a record with its value decoded.
type Received[T any] struct {
	Record
	Data T
}

// JoinOption says how [Join] reads, and how the process is a member.
type JoinOption func(*joinConfig)

type joinConfig struct {
	member MemberConfig
	from   func(ctx context.Context, c *Client, t Topic, partition int32) (int64, error)
}

// Member says how the process is a member of the group.
func Member(cfg MemberConfig) JoinOption { return func(j *joinConfig) { j.member = cfg } }

// FromLatest begins a partition of which the group has committed nothing at its end, instead of at its start: what is there already is not read.
func FromLatest() JoinOption {
	return func(j *joinConfig) {
		j.from = func(ctx context.Context, c *Client, t Topic, partition int32) (int64, error) {
			now, err := c.refresh(ctx, t)
			if err != nil {
				return 0, err
			}
			return now.Partitions[partition].End, nil
		}
	}
}

// FromTime begins a partition of which the group has committed nothing with the first record that was stored at a time or later.
func FromTime(at time.Time) JoinOption {
	return func(j *joinConfig) {
		j.from = func(ctx context.Context, c *Client, t Topic, partition int32) (int64, error) {
			now, err := c.refresh(ctx, t)
			if err != nil {
				return 0, err
			}
			return c.OffsetAt(ctx, now, partition, at)
		}
	}
}

// refresh looks a topic up again.
func (c *Client) refresh(ctx context.Context, t Topic) (Topic, error) {
	now, err := c.Topic(ctx, t.Name)
	if err == nil && now.ID != t.ID {
		err = &UnknownTopicError{Topic: t.Name}
	}
	return now, err
}

// Join makes this process a member of a consumer group and calls fn once for each partition that it is given, in a goroutine of its own.
//
//	err := commitlog.Join(ctx, client, "dashboard", commitlog.JSON[Click]("clicks"), func(ctx context.Context, p *commitlog.Partition[Click]) error {
//		for r, err := range p.Records(ctx) {
//			if err != nil {
//				return err
//			}
//			show(r.Data)
//		}
//		return nil
//	})
//
// Members of one group share the partitions: each record goes to one of them. Members of several groups all see every record. A group goes on where it
// has committed; where it has not, it begins at the partition's start, unless an option says otherwise.
//
// To ask for the next record says that the one before has been processed. What has been processed is committed once a second, before a
// partition moves, and at the end. So each record is processed at least once: again, when a member dies after it was processed and before it was committed.
//
// When a partition is to move to another member the context of its function ends, and Records with it; it moves when the function has returned, or after
// MemberConfig.RebalanceTimeout. The other partitions go on. When a partition comes back, fn is called again.
//
// Join returns nil when ctx has ended and every function has returned. If one returns before that, an error or not, Join ends with what it returned. Its own
// errors are those of [Client.Share], and ErrUnknownTopic.
func Join[T any](ctx context.Context, c *Client, group string, source Source[T], fn func(ctx context.Context, p *Partition[T]) error, options ...JoinOption) error {
	var cfg joinConfig
	for _, option := range options {
		option(&cfg)
	}
	topics := make([]Topic, len(source.topics))
	for i, name := range source.topics {
		t, err := c.Topic(ctx, name)
		if err != nil {
			return err
		}
		topics[i] = t
	}
	return c.Share(ctx, group, topics, cfg.member, func(ctx context.Context, a *Assignment) error {
		p := &Partition[T]{Assignment: a, client: c, decode: source.decode, next: a.Offset, moved: make(chan struct{})}
		if a.Offset == NoOffset {
			if err := p.begin(ctx, cfg.from); err != nil {
				return err
			}
		}
		err := fn(ctx, p)
		if rangeErr := new(OffsetRangeError); errors.As(err, &rangeErr) {
			err = fmt.Errorf("%w: group %q has read up to there, and what came next was deleted: reset its offset", err, group)
		}
		return err
	})
}
