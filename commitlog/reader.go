package commitlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// reader asks the session that serves a partition, wherever it moves.
type reader struct {
	client    *Client
	routes    *routes
	topic     string
	partition int32
	shard     int
	stale     uint64 // session that did not answer as a serving one does, 0: none
}

func (c *Client) newReader(t Topic, partition int32) (*reader, error) {
	if err := checkPartition(t, partition); err != nil {
		return nil, err
	}
	return &reader{
		client: c, routes: c.routesOf(t), topic: t.Name, partition: partition, shard: wire.ShardOf(partition, t.Shards),
	}, nil
}

// checkPartition refuses a partition that a topic does not have.
func checkPartition(t Topic, partition int32) error {
	if err := checkTopic(t); err != nil {
		return err
	}
	if partition < 0 || int(partition) >= len(t.Partitions) {
		return &InvalidError{Reason: fmt.Sprintf("topic %q has partitions 0 to %d, not %d", t.Name, len(t.Partitions)-1, partition)}
	}
	return nil
}

// question is one read request.
type question struct {
	doing    string
	subject  func(route) string
	payload  func(mark) []byte // given what the answering node must have reached
	timeout  time.Duration     // of one request
	patience time.Duration     // of all together, 0: without end
	answer   func(reply []byte) (status, error)
	lost     func(error) error // what a try comes to that may have had its effect; nil: it has none
}

// status is what all answers to reads have in common.
type status struct {
	code   wire.Code
	detail string
	epoch  uint64
}

// ask repeats a question until it is answered with OK or a fatal error. A session that does not serve makes it look for another.
func (r *reader) ask(ctx context.Context, q question) error {
	return r.client.patiently(ctx, q.patience, q.doing, func(ctx context.Context) error {
		at, err := r.routes.find(ctx, r.shard, r.stale)
		if err != nil {
			return err
		}
		seen := r.routes.newest(r.partition)
		err = r.once(ctx, at, seen, q)
		if r.stale = 0; err != nil {
			r.stale = at.session
			if q.lost != nil && undecided(err) {
				err = q.lost(err)
			}
		}
		return err
	})
}

func (r *reader) once(ctx context.Context, at route, seen mark, q question) error {
	reply, err := r.client.ask(ctx, q.subject(at), q.payload(seen), q.timeout)
	if err != nil {
		return err
	}
	s, err := q.answer(reply)
	switch {
	case err != nil:
		return err
	case s.code == wire.OK && s.epoch < seen.epoch:
		return refusal(wire.Stale, fmt.Sprintf("its epoch is %d, after %d", s.epoch, seen.epoch))
	case s.code == wire.OK:
		return nil
	case s.code == wire.UnknownTopic:
		return &UnknownTopicError{Topic: r.topic}
	case s.code == wire.Corrupt:
		return r.corrupt(-1, errors.New(s.detail))
	case s.code == wire.LogDiverged:
		return &DivergedError{Topic: r.topic, Detail: s.detail}
	case s.code == wire.Invalid, s.code == wire.TooLarge:
		return &InvalidError{Reason: fmt.Sprintf("%s: %s", q.doing, s.detail)}
	default:
		return refusal(s.code, s.detail)
	}
}

func (r *reader) corrupt(offset int64, cause error) error {
	return &CorruptError{Topic: r.topic, Partition: r.partition, Offset: offset, Cause: cause}
}
