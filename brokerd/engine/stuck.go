package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	doubtAfter = time.Second      // of silence, the blocks in question are looked at
	stuckAfter = 15 * time.Second // of silence of the whole engine; a busy disk may take some
)

// ErrStuck is what a [StuckError] is.
var ErrStuck = errors.New("engine is stuck")

// StuckError says that the engine does not come back from what it does, and never will, or would not from what it is to do next: its store can be
// neither stopped nor started again, only the process can. It is an ErrStuck.
type StuckError struct {
	Dir   string
	Cause error // a *[BlockError], or nil when it is not known
}

func (e *StuckError) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("engine is stuck on %s: it has said nothing for %v: let `brokerd verify` look for damage before the node is started again", e.Dir, stuckAfter)
	}
	return fmt.Sprintf("engine is stuck on %s: %v", e.Dir, e.Cause)
}

// Is makes errors.Is(err, ErrStuck) true.
func (e *StuckError) Is(target error) bool { return target == ErrStuck }

func (e *StuckError) Unwrap() error { return e.Cause }

// stuck is that the engine is, once that is known.
type stuck struct{ err atomic.Pointer[StuckError] }

func (e *Engine) setStuck(cause error) error {
	e.stuck.err.CompareAndSwap(nil, &StuckError{Dir: e.cfg.Dir, Cause: cause})
	select {
	case e.failure.trouble <- struct{}{}:
	default:
	}
	return e.stuck.err.Load()
}

// await waits for the engine to say how its streams are. While it does not, the newest blocks are looked at: they are what it reads by itself.
func (e *Engine) await(answer <-chan []server.HealthzError) ([]server.HealthzError, error) {
	doubt, stuck := time.NewTimer(doubtAfter), time.NewTimer(stuckAfter)
	defer doubt.Stop()
	defer stuck.Stop()
	for {
		select {
		case failures := <-answer:
			return failures, nil
		case <-e.closing:
			return nil, ErrClosed
		case <-doubt.C:
			if err := eachStore(e.leaps.root, checkEnd); errors.Is(err, ErrBlock) {
				return nil, e.setStuck(err)
			}
		case <-stuck.C:
			return nil, e.setStuck(nil)
		}
	}
}

// receive is the next message of an answer that was asked for from a sequence on. When it is late the blocks that it comes from are looked at: they may have
// been damaged since they were walked.
func (e *Engine) receive(ctx context.Context, sub *nats.Subscription, stream string, next uint64) (*nats.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, doubtAfter)
	msg, err := sub.NextMsgWithContext(wait)
	cancel()
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return msg, err
	}
	if err := e.leaps.doubt(stream, next, next+pullMessagesMax-1); errors.Is(err, ErrBlock) {
		return nil, e.setStuck(err)
	}
	wait, cancel = context.WithTimeout(ctx, pullSilenceMax-doubtAfter)
	defer cancel()
	return sub.NextMsgWithContext(wait)
}
