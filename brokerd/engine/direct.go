package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// tail is where the copies of a stream are read: of those that a cluster has, an engine asks its own first. It keeps a connection and no consumer,
// which would live on any engine, and could not be made while the cluster has no leader.
type tail struct {
	engine *Engine
	stream string
	nc     *nats.Conn
	inbox  string
	sub    *nats.Subscription
	asked  int
}

func (e *Engine) openTail(stream string) (*tail, error) {
	if err := checkName(stream); err != nil {
		return nil, err
	}
	nc, err := e.LogConn(nats.Name("tail " + stream))
	if err != nil {
		return nil, err
	}
	t := &tail{engine: e, stream: stream, nc: nc, inbox: nc.NewInbox()}
	if t.sub, err = nc.SubscribeSync(t.inbox + ".*"); err != nil {
		nc.Close()
		return nil, fmt.Errorf("reading engine stream %s: %w", stream, err)
	}
	return t, nil
}

func (t *tail) close() { t.nc.Close() }

// tailSilenceMax is how long a copy may take to go on with an answer. Its node may be gone.
const tailSilenceMax = 2 * time.Second

// batch yields messages from a sequence on, as many as a copy has and one answer may bring. It returns the sequence after the last, and false when
// the caller broke off. That a copy has no more is no error: it may be behind.
func (t *tail) batch(ctx context.Context, from, to uint64, yield func(Message, error) bool) (next uint64, more bool, err error) {
	batch := min(to-from+1, pullMessagesMax)
	if _, err := t.engine.leaps.check(t.stream, from, from+batch-1); err != nil {
		return from, false, err
	}
	request, err := json.Marshal(&server.JSApiMsgGetRequest{Seq: from, Batch: int(batch), MaxBytes: pullBytesMax})
	if err != nil {
		return from, false, fmt.Errorf("encoding a read: %w", err)
	}
	earlier := t.asked
	if err := t.ask(request); err != nil {
		return from, false, t.failed(from, err)
	}
	answer, silence, waited := "", askFirst, time.Duration(0)
	for next = from; ; {
		msg, err := t.receive(ctx, next, silence)
		if errors.Is(err, ErrStalled) && answer == "" && waited < pullSilenceMax {
			// Whose copy was asked may be gone without a word, and whoever asks may be about to take over from it: the next question may go elsewhere.
			waited, silence = waited+silence, min(2*silence, askMax)
			if err = t.ask(request); err == nil {
				continue
			}
			err = t.failed(next, err)
		}
		if err != nil {
			return next, false, err
		}
		if answer == "" && t.isAfter(msg.Subject, earlier) {
			answer, silence = msg.Subject, tailSilenceMax
		}
		if msg.Subject != answer {
			continue // of an answer that was given up, or to another one of the questions
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
		case "204", "404": // the end of the answer; nothing there yet
			return next, true, nil
		default:
			return next, false, t.failed(next, fmt.Errorf("engine answered %s %s", status, msg.Header.Get("Description")))
		}
		seq, err := strconv.ParseUint(msg.Header.Get(nats.JSSequence), 10, 64)
		if err != nil {
			return next, false, t.failed(next, fmt.Errorf("a message without a sequence: %w", err))
		}
		if seq != next {
			return next, false, &GapError{Stream: t.stream, Want: next, Got: seq}
		}
		next++
		if !yield(Message{Seq: seq, Data: msg.Data}, nil) {
			return next, false, nil
		}
	}
}

// ask sends a question under a number of its own.
func (t *tail) ask(request []byte) error {
	t.asked++
	return t.nc.PublishRequest("$JS.API.DIRECT.GET."+t.stream, t.inbox+"."+strconv.Itoa(t.asked), request)
}

// isAfter says whether an answer is to a question with a higher number.
func (t *tail) isAfter(reply string, earlier int) bool {
	n, err := strconv.Atoi(reply[strings.LastIndexByte(reply, '.')+1:])
	return err == nil && n > earlier
}

func (t *tail) receive(ctx context.Context, at uint64, silence time.Duration) (*nats.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	msg, err := t.sub.NextMsgWithContext(wait)
	switch {
	case err == nil:
		return msg, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, nats.ErrNoResponders):
		return nil, t.failed(at, errNoCopy)
	case errors.Is(err, context.DeadlineExceeded):
		if silence >= doubtAfter {
			if err := t.engine.leaps.doubt(t.stream, at, at+pullMessagesMax-1); errors.Is(err, ErrBlock) {
				return nil, t.engine.setStuck(err)
			}
		}
		return nil, t.failed(at, ErrStalled)
	}
	return nil, t.failed(at, err)
}

var errNoCopy = errors.New("no copy of it can be read")

func (t *tail) failed(at uint64, err error) error {
	return fmt.Errorf("reading engine stream %s at sequence %d: %w", t.stream, at, err)
}

// readCopy is Read where streams have copies. A copy that is behind is an ErrStalled.
func (e *Engine) readCopy(ctx context.Context, stream string, from, to uint64, yield func(Message, error) bool) error {
	t, err := e.openTail(stream)
	if err != nil {
		return err
	}
	defer t.close()
	for from = max(from, 1); from <= to; {
		next, more, err := t.batch(ctx, from, to, yield)
		if err != nil || !more {
			return err
		}
		if next == from {
			return t.failed(from, ErrStalled)
		}
		from = next
	}
	return nil
}

// Tail yields the messages from a sequence on that a copy of the stream holds by now, this engine's own if it has one. It may end before the
// newest: what it yields is the log's beginning, never more than that.
func (e *Engine) Tail(ctx context.Context, stream string, from uint64, yield func(Message, error) bool) error {
	t, err := e.openTail(stream)
	if err != nil {
		return err
	}
	defer t.close()
	for from = max(from, 1); ; {
		next, more, err := t.batch(ctx, from, from+pullMessagesMax-1, yield)
		if err != nil || !more || next == from {
			return err
		}
		from = next
	}
}
