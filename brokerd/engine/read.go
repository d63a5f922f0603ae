package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	pullMessagesMax = 128
	pullBytesMax    = 16 << 20 // far below what the engine lets one connection owe, 64 MiB
	pullSilenceMax  = 10 * time.Second
	consumerIdleMax = 30 * time.Second
)

// Message is one message of an engine stream. Data belongs to the receiver.
type Message struct {
	Seq  uint64
	Data []byte
	Time time.Time
}

// Read yields the messages from ≤ Seq ≤ to, every one, in order. What the engine cannot give is a *[GapError]:
// it never skips. A range with from > to is empty. The source may be behind the newest message.
func (e *Engine) Read(ctx context.Context, stream string, from, to uint64) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if from > to {
			return
		}
		if e.cfg.Cluster != nil {
			if err := e.readCopy(ctx, stream, from, to, yield); err != nil {
				yield(Message{}, err)
			}
			return
		}
		r := reader{engine: e, stream: stream, next: max(from, 1), to: to}
		if err := r.run(ctx, yield); err != nil {
			yield(Message{}, err)
		}
	}
}

// ReadOne returns the message with sequence seq. One that the stream does not hold is a *[GapError].
func (e *Engine) ReadOne(ctx context.Context, stream string, seq uint64) (Message, error) {
	if err := checkName(stream); err != nil {
		return Message{}, err
	}
	if seq == 0 {
		return Message{}, &GapError{Stream: stream, Want: 0} // sequences begin at 1
	}
	if _, err := e.leaps.check(stream, seq, seq); err != nil {
		return Message{}, err
	}
	var a messageAnswer
	err := e.call(ctx, "$JS.API.STREAM.MSG.GET."+stream, &server.JSApiMsgGetRequest{Seq: seq}, &a)
	switch {
	case refused(err, server.JSStreamNotFoundErr):
		return Message{}, &UnknownStreamError{Stream: stream}
	case refused(err, server.JSNoMessageFoundErr):
		return Message{}, &GapError{Stream: stream, Want: seq}
	case err != nil:
		return Message{}, fmt.Errorf("reading sequence %d of engine stream %s: %w", seq, stream, err)
	case a.Message == nil || a.Message.Sequence != seq:
		return Message{}, &GapError{Stream: stream, Want: seq}
	}
	return Message{Seq: seq, Data: a.Message.Data, Time: a.Message.Time}, nil
}

// reader is one Read. It has a connection of its own, so that a slow caller holds up nobody else.
type reader struct {
	engine   *Engine
	stream   string
	next, to uint64
	checked  uint64 // for leaps, up to here

	nc       *nats.Conn
	inbox    string
	sub      *nats.Subscription // to inbox.*, one token per pull
	consumer string
	start    uint64 // where consumer began
	pulls    int
}

// errForgotten means that the engine has removed a consumer, as it does after consumerIdleMax with a slow caller.
var errForgotten = errors.New("engine has forgotten the reader")

// run returns nil when the caller broke off, too.
func (r *reader) run(ctx context.Context, yield func(Message, error) bool) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	defer r.close(ctx)
	for r.next <= r.to {
		more, err := r.pull(ctx, yield)
		if errors.Is(err, errForgotten) && r.next > r.start {
			err = r.createConsumer(ctx)
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (r *reader) open(ctx context.Context) error {
	info, err := r.engine.stream(ctx, r.stream)
	if err != nil {
		return err
	}
	// A consumer that starts outside of the stream would silently deliver something else, or nothing.
	if first := info.State.FirstSeq; r.next < first {
		return &GapError{Stream: r.stream, Want: r.next, Got: first}
	}
	if last := info.State.LastSeq; r.to > last {
		return &GapError{Stream: r.stream, Want: max(r.next, last+1)}
	}
	if r.nc, err = r.engine.LogConn(nats.Name("read " + r.stream)); err != nil {
		return err
	}
	r.inbox = r.nc.NewInbox()
	if r.sub, err = r.nc.SubscribeSync(r.inbox + ".*"); err != nil {
		r.nc.Close()
		return r.failed(err)
	}
	if err := r.createConsumer(ctx); err != nil {
		r.nc.Close()
		return err
	}
	return nil
}

func (r *reader) createConsumer(ctx context.Context) error {
	request := server.CreateConsumerRequest{
		Stream: r.stream,
		Config: server.ConsumerConfig{
			DeliverPolicy:     server.DeliverByStartSequence,
			OptStartSeq:       r.next,
			AckPolicy:         server.AckNone,
			ReplayPolicy:      server.ReplayInstant,
			Replicas:          1,
			MemoryStorage:     true,
			InactiveThreshold: consumerIdleMax,
		},
	}
	var a consumerAnswer
	err := r.engine.call(ctx, "$JS.API.CONSUMER.CREATE."+r.stream, &request, &a)
	if refused(err, server.JSStreamNotFoundErr) {
		return &UnknownStreamError{Stream: r.stream}
	}
	if err != nil {
		return r.failed(err)
	}
	r.consumer, r.start = a.Name, r.next
	return nil
}

// close also runs when ctx has ended; the engine removes an idle consumer by itself.
func (r *reader) close(ctx context.Context) {
	r.nc.Close()
	var a plainAnswer
	if err := r.engine.call(context.WithoutCancel(ctx), "$JS.API.CONSUMER.DELETE."+r.stream+"."+r.consumer, nil, &a); err != nil {
		r.engine.log.Debugf("removing consumer %s of engine stream %s: %v", r.consumer, r.stream, err)
	}
}

// pull asks for one bounded run of messages and yields it; more is false when the caller broke off.
// An errForgotten comes before the first message of a run.
func (r *reader) pull(ctx context.Context, yield func(Message, error) bool) (more bool, err error) {
	batch := int(min(r.to-r.next+1, pullMessagesMax))
	if end := r.next + uint64(batch) - 1; r.checked < end {
		if r.checked, err = r.engine.leaps.check(r.stream, r.next, end); err != nil {
			return false, err
		}
	}
	request, err := json.Marshal(&server.JSApiConsumerGetNextRequest{Batch: batch, MaxBytes: pullBytesMax, NoWait: true})
	if err != nil {
		return false, fmt.Errorf("encoding a pull: %w", err)
	}
	r.pulls++
	reply := r.inbox + "." + strconv.Itoa(r.pulls)
	if err := r.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+r.stream+"."+r.consumer, reply, request); err != nil {
		return false, r.failed(err)
	}
	for got := 0; got < batch; {
		msg, err := r.receive(ctx)
		if err != nil {
			return true, err
		}
		// Messages of the log bear their own subject. All else is a status; one that came after its pull was full is stale.
		switch msg.Subject {
		case subjectOf(r.stream):
		case reply:
			return true, r.status(ctx, msg, got)
		default:
			continue
		}
		m, err := r.message(msg)
		if err != nil {
			return false, err
		}
		got++
		r.next++
		if !yield(m, nil) {
			return false, nil
		}
	}
	return true, nil
}

// status ends a pull before it is full. After some messages that is the limit on bytes, and the next pull goes on or tells more.
func (r *reader) status(ctx context.Context, msg *nats.Msg, got int) error {
	if got > 0 {
		return nil
	}
	switch status := msg.Header.Get("Status"); status {
	case "404", "408":
		return r.missing(ctx)
	default:
		return r.failed(fmt.Errorf("engine answered %s %s", status, msg.Header.Get("Description")))
	}
}

// missing asks the leader whether the next message exists: a copy that lags behind must not be taken for a damaged log.
func (r *reader) missing(ctx context.Context) error {
	if _, err := r.engine.ReadOne(ctx, r.stream, r.next); err != nil {
		return err
	}
	return r.failed(ErrStalled)
}

func (r *reader) receive(ctx context.Context) (*nats.Msg, error) {
	msg, err := r.engine.receive(ctx, r.sub, r.stream, r.next)
	switch {
	case err == nil:
		return msg, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, nats.ErrNoResponders):
		return nil, r.failed(errForgotten)
	case errors.Is(err, context.DeadlineExceeded):
		return nil, r.failed(ErrStalled)
	}
	return nil, r.failed(err)
}

func (r *reader) message(msg *nats.Msg) (Message, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Message{}, r.failed(err)
	}
	if seq := meta.Sequence.Stream; seq != r.next {
		return Message{}, &GapError{Stream: r.stream, Want: r.next, Got: seq}
	}
	return Message{Seq: r.next, Data: msg.Data, Time: meta.Timestamp}, nil
}

func (r *reader) failed(err error) error {
	return fmt.Errorf("reading engine stream %s at sequence %d: %w", r.stream, r.next, err)
}
