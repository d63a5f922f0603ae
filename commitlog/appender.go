package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/strandlog/strand/internal/wire"
	"golang.org/x/sync/semaphore"
)

// appender sends the appends of all goroutines to one shard. One request is in flight at a time; what arrives in the meantime joins the next one.
//
// Callers put a pending append into the queue and wait for it to be done. One goroutine, run, takes appends out, sends them, and settles them or
// puts them back. A caller that leaves marks its append as abandoned; run drops it when it meets it.
type appender struct {
	client *Client
	routes *routes
	shard  int

	// Room in the queue, held by callers from before they enqueue until they leave.
	bytes   *semaphore.Weighted
	appends *semaphore.Weighted

	wake chan struct{} // a token says that there may be something to send

	mu      sync.Mutex
	backlog backlog
	trouble error // why the last request got no answer, nil when it got one
	stopped error // not nil: nothing is enqueued any more

	// Owned by run.
	stale    uint64 // session that did not answer as a serving one does, 0: none
	backoff  backoff
	request  wire.PackedRequest
	payload  []byte
	response wire.AppendResponse
}

func newAppender(c *Client, at *routes, shard int) *appender {
	return &appender{
		client: c, routes: at, shard: shard,
		bytes:   semaphore.NewWeighted(int64(c.cfg.QueueBytesMax)),
		appends: semaphore.NewWeighted(int64(c.cfg.QueueAppendsMax)),
		wake:    make(chan struct{}, 1),
		backlog: backlog{producer: newNumbering()},
	}
}

// append waits for room, enqueues an append and waits for its outcome, for no longer than Config.AppendTimeout in all.
func (a *appender) append(ctx context.Context, p *pending) error {
	p.timer.Reset(a.client.cfg.AppendTimeout)
	defer p.timer.Stop()
	if err := a.reserve(ctx, p); err != nil {
		return err
	}
	defer a.release(p)
	if err := a.enqueue(p); err != nil {
		return err
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return a.abandon(p, ctx.Err())
	case <-p.timer.C:
		return a.abandon(p, nil)
	}
}

// reserve takes room for one append.
func (a *appender) reserve(ctx context.Context, p *pending) error {
	if a.appends.TryAcquire(1) {
		if a.bytes.TryAcquire(p.size()) {
			return nil
		}
		a.appends.Release(1)
	}
	limited, cancel := context.WithTimeout(ctx, a.client.cfg.QueueWaitMax)
	defer cancel()
	if a.appends.Acquire(limited, 1) == nil {
		if a.bytes.Acquire(limited, p.size()) == nil {
			return nil
		}
		a.appends.Release(1)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &OverloadedError{Topic: a.routes.name, Detail: fmt.Sprintf("the client's queue had no room within %v", a.client.cfg.QueueWaitMax)}
}

func (a *appender) release(p *pending) {
	a.bytes.Release(p.size())
	a.appends.Release(1)
}

func (a *appender) enqueue(p *pending) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped != nil {
		return a.stopped
	}
	a.backlog.add(p)
	if len(a.backlog.fresh) == 1 {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// abandon is a caller's leave, for a reason or, when that is nil, because its time is over. It returns what is known by then.
func (a *appender) abandon(p *pending, reason error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-p.done:
		return p.err
	default:
	}
	a.backlog.leave(p)
	if reason == nil {
		return a.expired(p)
	}
	return p.left(reason)
}

// expired says what is known of an append after AppendTimeout.
func (a *appender) expired(p *pending) error {
	timeout := a.client.cfg.AppendTimeout
	switch {
	case p.inFlight || p.unknown != nil:
		return p.left(fmt.Errorf("no outcome within %v", timeout))
	case a.trouble == nil && p.sequence == 0:
		return &OverloadedError{Topic: a.routes.name, Detail: fmt.Sprintf("it waited %v in the client's queue", timeout)}
	default:
		doing := fmt.Sprintf("appending to stream %q of topic %q for %v", p.append.Writes[0].Stream, a.routes.name, timeout)
		return a.client.unavailable(doing, cmp.Or(a.trouble, errRefused))
	}
}

// errRefused stands for answers like NotLeader, which say that nothing was evaluated.
var errRefused = errors.New("no broker leads the shard")

// run sends until ctx ends or the topic is gone, and settles what is left.
func (a *appender) run(ctx context.Context) {
	for {
		a.await(ctx)
		if ctx.Err() != nil {
			a.stop(ErrClosed)
			return
		}
		at, err := a.routes.find(ctx, a.shard, a.stale)
		if errors.Is(err, ErrUnknownTopic) {
			a.client.retire(a)
			a.stop(err)
			return
		}
		if err != nil {
			if a.unserved(err); !fatal(err) {
				wait(ctx, a.backoff.next())
			}
			continue
		}
		if at.session == a.stale {
			wait(ctx, a.backoff.next())
		}
		a.gather()
		a.send(ctx, at)
	}
}

// await returns when an append is to be sent.
func (a *appender) await(ctx context.Context) {
	for ctx.Err() == nil {
		a.mu.Lock()
		due, waits := a.backlog.due()
		a.mu.Unlock()
		if !waits {
			select {
			case <-a.wake:
			case <-ctx.Done():
			}
			continue
		}
		pause := time.Until(due)
		if pause <= 0 {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-a.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// gather yields to the goroutines that are about to append until none does any more: they travel in this request instead of waiting for the next.
func (a *appender) gather() {
	for before := -1; ; {
		runtime.Gosched()
		a.mu.Lock()
		n := len(a.backlog.fresh)
		a.mu.Unlock()
		if n == before || n >= wire.AppendsMax {
			return
		}
		before = n
	}
}

// send makes one request of what waits and settles it.
func (a *appender) send(ctx context.Context, at route) {
	batch := a.take(at)
	if len(batch) == 0 {
		return // their callers left
	}
	a.payload = a.request.AppendTo(a.payload[:0])
	timeout := a.client.cfg.RequestTimeout
	limited, cancel := context.WithTimeout(ctx, timeout)
	reply, err := a.client.conn.request(limited, at.append, a.payload)
	cancel()
	switch {
	case err == nil:
		err = a.decode(reply, len(batch))
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %v", timeout)
	}
	a.settle(batch, at, err)
}

// take marks the next request's appends as in flight.
func (a *appender) take(at route) []*pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	batch := a.backlog.take(time.Now(), a.client.requestBytesMax())
	a.request.Appends = a.request.Appends[:0]
	for _, p := range batch {
		p.inFlight = true
		a.request.Producer = p.producer.id
		a.request.Appends = append(a.request.Appends, wire.PackedAppend{Sequence: p.sequence, Since: p.sendTo(at), Body: p.body})
	}
	return batch
}

func (a *appender) decode(reply []byte, appends int) error {
	if err := a.response.Decode(reply); err != nil {
		return err
	}
	if a.response.Code == wire.OK && len(a.response.Results) != appends {
		return fmt.Errorf("the broker answered %d of %d appends", len(a.response.Results), appends)
	}
	return nil
}

// settle gives every append of a request its outcome or puts it back. err says why there is no answer.
func (a *appender) settle(batch []*pending, at route, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = err
	serving := err == nil
	for i, p := range batch {
		p.inFlight = false
		if err == nil {
			result := a.result(i)
			if p.settle(&result, a.response.Epoch) {
				a.learn(&result)
				p.finish()
				continue
			}
			serving = serving && result.Code != wire.NotLeader && result.Code != wire.Retry
		} else if !errors.Is(err, errUndelivered) {
			p.lost(err)
		}
		p.due = time.Now().Add(p.backoff.next())
		a.backlog.add(p)
	}
	if a.stale = 0; serving {
		a.backoff.reset()
	} else {
		a.stale = at.session
	}
}

// result is what the response says of the i-th append.
func (a *appender) result(i int) wire.AppendResult {
	if a.response.Code != wire.OK {
		return wire.AppendResult{Code: a.response.Code, Detail: a.response.Detail}
	}
	return a.response.Results[i]
}

// learn keeps readers from seeing less than what was appended.
func (a *appender) learn(r *wire.AppendResult) {
	for _, w := range r.Writes {
		a.routes.saw(w.Partition, a.response.Epoch, w.FirstOffset+int64(w.Count))
	}
}

// unserved notes that no session serves the shard, for now or, when err is fatal or one that nobody wants to sit out, for whoever waits.
func (a *appender) unserved(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = err
	full := errors.Is(err, ErrNoStorage) || errors.Is(err, ErrNotEnoughReplicas)
	if !full && !fatal(err) {
		return
	}
	for _, p := range a.backlog.all() {
		if full {
			p.err = p.definite(err)
		} else {
			p.err = p.left(err)
		}
		p.finish()
	}
}

// stop refuses what waits and what will come, because of err.
func (a *appender) stop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopped = err
	for _, p := range a.backlog.all() {
		if errors.Is(err, ErrUnknownTopic) {
			p.err = p.definite(err)
		} else {
			p.err = p.left(err)
		}
		p.finish()
	}
}
