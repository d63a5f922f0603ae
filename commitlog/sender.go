package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// sender sends the batches of a producer to one shard. One request is in flight at a time, and what had no outcome is sent again before anything
// else: the broker takes batches by ascending numbers only, so that the order of a partition is the order of its Sends whatever gets lost.
type sender struct {
	producer *Producer
	routes   *routes
	shard    int
	lanes    []*lane       // of the shard's partitions
	wake     chan struct{} // a token says that there may be something to send

	mu    sync.Mutex // taken after a lane's
	queue []*lane    // lanes in which batches wait

	// Owned by run.
	again    []*outgoing // numbered batches without an outcome, by number
	pause    time.Time   // again is not sent before
	id       uint64      // producer id of the numbers below
	last     int32       // number that was given last
	stale    uint64      // session that did not answer as a serving one does, 0: none
	found    time.Time   // when the route was asked for last
	trouble  error       // why the last request brought nothing, nil when it brought something
	backoff  backoff
	request  wire.ProduceRequest
	payload  []byte
	response wire.ProduceResponse
	turn     []*lane // what the queue held when the request began
	later    []*lane // those of them that hold more than found room
}

// numberMax is the last number of a producer id: what follows would not fit in the batch's header.
const numberMax = math.MaxInt32

// routeAge is how long a producer that gets no answers trusts a route.
const routeAge = time.Second

func newSender(p *Producer, at *routes, shard int) *sender {
	return &sender{producer: p, routes: at, shard: shard, wake: make(chan struct{}, 1), id: newProducerID()}
}

// newProducerID is random, and neither 0 nor -1 in the batch's header.
func newProducerID() uint64 { return 1 + rand.Uint64N(math.MaxInt64-1) }

func (s *sender) topic() string { return s.routes.name }

// enqueue notes that batches wait in a lane. The caller holds the lane's lock, and signals when it has released it.
func (s *sender) enqueue(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, l)
}

func (s *sender) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends or the topic is gone, and settles what is left.
func (s *sender) run(ctx context.Context) {
	for {
		s.await(ctx)
		if ctx.Err() != nil {
			s.stop(ErrClosed)
			return
		}
		at, err := s.route(ctx)
		switch {
		case errors.Is(err, ErrUnknownTopic):
			s.stop(err)
			return
		case err != nil:
			s.trouble = err
			if s.giveUp(err); !fatal(err) {
				wait(ctx, s.backoff.next())
			}
			continue
		case at.session == s.stale && len(s.again) == 0: // what is sent again has waited
			wait(ctx, s.backoff.next())
		}
		s.send(ctx, at)
	}
}

// route finds the session to send to. Without answers nobody says that a session has moved, so the route is asked for again from time to time.
func (s *sender) route(ctx context.Context) (route, error) {
	stale := s.stale
	if s.producer.cfg.Acks == AcksNone && time.Since(s.found) > routeAge {
		s.found = time.Now()
		if at, ok := s.routes.known(s.shard, 0); ok {
			stale = at.session
		}
	}
	return s.routes.find(ctx, s.shard, stale)
}

// await returns when a batch is to be sent, or ctx ends.
func (s *sender) await(ctx context.Context) {
	for ctx.Err() == nil {
		due, waits := s.due()
		if !waits {
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		pause := time.Until(due)
		if pause <= 0 {
			return
		}
		wake := s.wake
		if len(s.again) > 0 {
			wake = nil // nothing else is sent before
		}
		timer := time.NewTimer(pause)
		select {
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// due is when the next request may be sent, the zero time for at once, and false when nothing waits.
func (s *sender) due() (first time.Time, waits bool) {
	if len(s.again) > 0 {
		return s.pause, true
	}
	linger := s.producer.lingers()
	s.mu.Lock()
	queued := s.queue
	s.mu.Unlock()
	if linger == 0 {
		return time.Time{}, len(queued) > 0
	}
	for _, l := range queued { // only run changes what is in the queue: others add to it
		at, ok := l.due(linger)
		if ok && at.IsZero() {
			return at, true
		}
		if ok && (!waits || at.Before(first)) {
			first, waits = at, true
		}
	}
	return first, waits
}

// send makes one request and settles it.
func (s *sender) send(ctx context.Context, at route) {
	now := time.Now()
	if s.trouble != nil {
		s.expire(now)
	}
	if len(s.again) == 0 {
		s.take(now)
		s.observe(ctx)
	}
	if len(s.again) == 0 {
		return
	}
	s.request.Producer = s.id
	s.request.Batches = s.request.Batches[:0]
	for _, o := range s.again {
		s.request.Batches = append(s.request.Batches, wire.ProduceBatch{Partition: o.lane.partition, Since: o.sendTo(at), Batch: o.bytes})
	}
	s.payload = s.request.AppendTo(s.payload[:0])
	if s.producer.cfg.Acks == AcksNone {
		s.publish(at)
		return
	}
	client := s.producer.client
	limited, cancel := context.WithTimeout(ctx, client.cfg.RequestTimeout)
	reply, err := client.conn.request(limited, at.produce, s.payload)
	cancel()
	switch {
	case err == nil:
		err = s.decode(reply)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %v", client.cfg.RequestTimeout)
	}
	s.settle(at, err)
}

// Bounds of what a request takes beyond the bytes of its batches.
const (
	produceHeaderBytes      = 16
	produceBatchHeaderBytes = 16
	produceRequestOverhead  = produceHeaderBytes + produceBatchHeaderBytes
)

// take numbers the batches of the next request. Lanes that get no place in it come first in the next one.
func (s *sender) take(now time.Time) {
	if s.last > numberMax-wire.BatchesMax {
		s.id, s.last = newProducerID(), 0
	}
	room := s.producer.client.requestBytesMax() - produceHeaderBytes
	linger := s.producer.lingers()
	queued := s.takeQueue()
	n := 0 // lanes that had their turn
	for ; n < len(queued) && room > 0 && len(s.again) < wire.BatchesMax; n++ {
		var more bool
		if s.again, more = queued[n].take(s.again, now, linger, &room); more {
			s.later = append(s.later, queued[n])
		}
	}
	s.putBack(queued[n:], s.later)
	clear(s.later)
	s.later = s.later[:0]
	for _, o := range s.again {
		s.producer.press(o)
		s.last++
		recordbatch.StampProducer(o.bytes, int64(s.id), 0, s.last)
	}
}

// takeQueue empties the queue. What was in it is put back or told that it is not queued any more.
func (s *sender) takeQueue() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.turn = s.turn[:0], s.queue
	return s.turn
}

// putBack queues lanes before those that came in the meantime.
func (s *sender) putBack(first, second []*lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = slices.Insert(slices.Insert(s.queue, 0, second...), 0, first...)
	clear(s.turn)
}

func (s *sender) publish(at route) {
	err := s.producer.client.conn.publish(at.produce, s.payload)
	for _, o := range s.again {
		if o.base = -1; err != nil {
			o.err = s.producer.client.unavailable("sending to topic "+s.topic(), err)
		}
		s.finish(o)
	}
	s.again = s.again[:0]
	if err != nil {
		s.trouble, s.stale = err, at.session
	}
}

func (s *sender) decode(reply []byte) error {
	if err := s.response.Decode(reply); err != nil {
		return err
	}
	if s.response.Code == wire.OK && len(s.response.Results) != len(s.again) {
		return fmt.Errorf("the broker answered %d of %d batches", len(s.response.Results), len(s.again))
	}
	return nil
}

// settle gives every batch of the request its outcome or keeps it to be sent again. err says why there is no answer.
func (s *sender) settle(at route, err error) {
	serving, progress := err == nil, false
	s.trouble = err
	keep := s.again[:0]
	for i, o := range s.again {
		if err == nil {
			result := s.result(i)
			if o.settle(&result, s.response.Epoch) {
				progress = true
				if o.err == nil {
					s.routes.saw(o.lane.partition, o.epoch, o.base+int64(len(o.awaited)))
				}
				s.finish(o)
				continue
			}
			serving = serving && result.Code != wire.NotLeader && result.Code != wire.Retry
			s.trouble = o.repeated(&result)
		} else if !errors.Is(err, errUndelivered) {
			o.lost(err)
		}
		keep = append(keep, o)
	}
	clear(s.again[len(keep):])
	s.again = keep
	if progress {
		s.backoff.reset()
	}
	if s.pause = (time.Time{}); len(s.again) > 0 {
		s.pause = time.Now().Add(s.backoff.next())
	}
	if s.stale = 0; !serving {
		s.stale = at.session
	}
}

// result is what the response says of the i-th batch.
func (s *sender) result(i int) wire.ProduceResult {
	if s.response.Code != wire.OK {
		return wire.ProduceResult{Code: s.response.Code, Detail: s.response.Detail}
	}
	return s.response.Results[i]
}

// expire gives up the batches whose time is over.
func (s *sender) expire(now time.Time) {
	s.again = slices.DeleteFunc(s.again, func(o *outgoing) bool {
		if now.Before(o.deadline) {
			return false
		}
		if o.err = s.overdue(); o.unknown != nil {
			o.err = o.indefinite(fmt.Errorf("no outcome within %v: %w", s.producer.cfg.DeliveryTimeout, o.unknown))
		}
		s.finish(o)
		return true
	})
	for _, l := range s.lanes {
		for _, o := range l.overdue(now) {
			o.err = s.overdue()
			s.finish(o)
		}
	}
}

// overdue says why a batch of which nothing is stored was not delivered in time.
func (s *sender) overdue() error {
	if errors.Is(s.trouble, ErrOverloaded) || errors.Is(s.trouble, ErrNotEnoughReplicas) || errors.Is(s.trouble, ErrNoStorage) {
		return s.trouble
	}
	doing := fmt.Sprintf("sending to topic %q for %v", s.topic(), s.producer.cfg.DeliveryTimeout)
	return s.producer.client.unavailable(doing, cmp.Or(s.trouble, errRefused))
}

// giveUp settles what is overdue while no session serves the shard or, when err is fatal, all that waits.
func (s *sender) giveUp(err error) {
	if !fatal(err) {
		s.expire(time.Now())
		return
	}
	s.abandon(err)
}

// abandon settles all that waits because of err.
func (s *sender) abandon(err error) {
	for _, o := range s.again {
		if o.err = o.left(err); errors.Is(err, ErrUnknownTopic) {
			o.err = o.definite(err)
		}
		s.finish(o)
	}
	s.again = nil
	for _, l := range s.lanes {
		for _, o := range l.takeAll() {
			o.err = err
			s.finish(o)
		}
	}
}

// stop refuses what waits and what will come, because of err.
func (s *sender) stop(err error) {
	for _, l := range s.lanes {
		l.close(err)
	}
	s.abandon(err)
}

// finish tells the outcome of a batch. Its memory is free by then, so that who is told may send again.
func (s *sender) finish(o *outgoing) {
	o.pressing.Lock()   // whoever sealed it may still press it
	o.pressing.Unlock() //nolint:staticcheck // nobody else takes it from here on
	s.producer.memory.give(o.memory)
	if o.err != nil {
		s.producer.failures.add(len(o.awaited), o.err)
	}
	if o.observed != nil {
		o.observed(SendResult{Err: o.err})
	}
	o.tell()
	o.lane.forget(o)
	s.producer.recycle(o)
}
