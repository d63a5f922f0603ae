package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
)

// engineLog is one engine stream as a shard's log.
type engineLog struct {
	engine *engine.Engine
	stream string
	cut    bool // another node may cut it at any time
}

func (l engineLog) Leader() bool { return l.engine.IsLeader(l.stream) }

func (l engineLog) Bounds(ctx context.Context) (first, last uint64, err error) {
	return l.engine.Bounds(ctx, l.stream)
}

func (l engineLog) Cut(ctx context.Context, before uint64) error {
	return l.engine.Purge(ctx, l.stream, before)
}

func (l engineLog) Read(ctx context.Context, from, to uint64) iter.Seq2[shard.Message, error] {
	return func(yield func(shard.Message, error) bool) {
		for m, err := range l.engine.Read(ctx, l.stream, from, to) {
			if gap := new(engine.GapError); errors.As(err, &gap) {
				if l.cut && gap.Got > gap.Want { // it is looked again where the log begins
					err = fmt.Errorf("%w: %w", shard.ErrBehind, err)
				} else {
					err = &shard.CorruptError{Seq: gap.Want, Reason: err}
				}
			}
			err = damaged(err)
			if !yield(shard.Message{Seq: m.Seq, Data: m.Data}, err) || err != nil {
				return
			}
		}
	}
}

func (l engineLog) Tail(ctx context.Context, from uint64) iter.Seq2[shard.Message, error] {
	return func(yield func(shard.Message, error) bool) {
		err := l.engine.Tail(ctx, l.stream, from, func(m engine.Message, _ error) bool {
			return yield(shard.Message{Seq: m.Seq, Data: m.Data}, nil)
		})
		if errors.Is(err, engine.ErrGap) {
			err = fmt.Errorf("%w: %w", shard.ErrBehind, err)
		}
		if err != nil {
			yield(shard.Message{}, damaged(err))
		}
	}
}

// damaged has a shard take a damaged block for what it is: the end of what can be read of the log.
func damaged(err error) error {
	if block := new(engine.BlockError); errors.As(err, &block) {
		return &shard.CorruptError{Seq: block.Seq, Reason: err}
	}
	return err
}

var errConnectionLost = errors.New("the connection to the engine was lost")

// engineSession publishes under an inbox of its own, over one connection, and takes the engine's answers over another: on an in-process
// connection, frames and answers would wait for each other.
type engineSession struct {
	publish, answers *nats.Conn
	publisher        *engine.Publisher
	inbox            string
}

func (l engineLog) Session(_ uint64, acks func(shard.Ack)) (shard.Session, error) {
	lost := nats.DisconnectErrHandler(func(_ *nats.Conn, why error) {
		acks(shard.Ack{Err: errors.Join(errConnectionLost, why)}) // it may not know why
	})
	publish, err := l.engine.LogConn(lost)
	if err != nil {
		return nil, err
	}
	answers, err := l.engine.LogConn(lost)
	if err != nil {
		publish.Close()
		return nil, err
	}
	s := &engineSession{publish: publish, answers: answers, publisher: engine.NewPublisher(publish, l.stream), inbox: nats.NewInbox()}
	_, err = answers.Subscribe(s.inbox+".*", func(m *nats.Msg) { acks(l.parse(m)) })
	if err == nil {
		// The engine must know the inbox before the first answer is due.
		err = answers.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("subscribing to the engine's answers: %w", joinClose(err, s))
	}
	return s, nil
}

func joinClose(err error, s *engineSession) error {
	_ = s.Close()
	return err
}

// parse reads the engine's answer. Only a positive answer of the right stream that is no duplicate counts.
func (l engineLog) parse(m *nats.Msg) shard.Ack {
	intended, err := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 10, 64)
	if err != nil {
		return shard.Ack{Err: fmt.Errorf("an answer of the engine on %q: %w", m.Subject, err)}
	}
	a, err := engine.ParseAck(m.Data)
	switch {
	case err != nil:
		return shard.Ack{Intended: intended, Err: err}
	case a.Err != nil:
		return shard.Ack{Intended: intended, Err: a.Err}
	case a.Stream != l.stream || a.Duplicate:
		return shard.Ack{Intended: intended, Err: fmt.Errorf("the engine answered for stream %q, duplicate %t", a.Stream, a.Duplicate)}
	}
	return shard.Ack{Intended: intended, Seq: a.Seq}
}

func (s *engineSession) Publish(seq uint64, data []byte) error {
	return s.publisher.Publish(seq-1, data, s.inbox+"."+strconv.FormatUint(seq, 10))
}

func (s *engineSession) Close() error {
	s.publish.Close()
	s.answers.Close()
	return nil
}
