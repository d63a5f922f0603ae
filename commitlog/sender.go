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

// sender sends the batches of a producer to one shard, in up to requestsMax requests at a time. The broker takes batches by ascending numbers only, and
// none before the one that it is to follow, so that the order of a partition is the order of its Sends whatever gets lost. After a request that did not
// bring all its batches to an outcome nothing is sent until all others have been answered; then what is left goes again, one request at a time.
type sender struct {
	producer *Producer
	routes   *routes
	shard    int
	lanes    []*lane       // of the shard's partitions
	wake     chan struct{} // a token says that there may be something to send

	mu    sync.Mutex // taken after a lane's
	queue []*lane    // lanes in which batches wait

	answers chan *produceRequest // those in flight, when they have an answer

	// Owned by run.
	flights []*produceRequest // by number
	spare   []*produceRequest // what flights can be made of
	again   []*outgoing       // numbered batches without an outcome that are not in flight, by number
	pause   time.Time         // again is not sent before
	id      uint64            // producer id of the numbers below
	last    uint32            // number that was given last
	stale   uint64            // session that did not answer as a serving one does, 0: none
	found   time.Time         // when the route was asked for last
	trouble error             // why the last request brought nothing, nil when it brought something
	backoff backoff
	turn    []*lane // what the queue held when the request began
	later   []*lane // those of them that hold more than found room
}

// produceRequest is one request and its answer.
type produceRequest struct {
	at       route
	batches  []*outgoing // by number
	request  wire.ProduceRequest
	payload  []byte
	response wire.ProduceResponse
	err      error // why there is no answer
}

const (
	requestsMax     = 5       // in flight at a time
	requestBytesAim = 1 << 20 // of a request, if no batch is larger: many small ones keep the broker busier than few large ones
)

// numberMax is the last number of a producer id: what follows would not fit in the batch's header.
const numberMax = math.MaxInt32

// routeAge is how long a producer that gets no answers trusts a route.
const routeAge = time.Second

func newSender(p *Producer, at *routes, shard int) *sender {
	return &sender{producer: p, routes: at, shard: shard, wake: make(chan struct{}, 1), answers: make(chan *produceRequest, requestsMax), id: newProducerID()}
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
			s.land()
			s.stop(ErrClosed)
			return
		}
		at, err := s.route(ctx)
		switch {
		case errors.Is(err, ErrUnknownTopic):
			s.land()
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

// land takes the answers that are still to come, of requests that end with their context.
func (s *sender) land() {
	for len(s.flights) > 0 {
		s.settle(<-s.answers)
	}
}

// await takes answers, and returns when a batch is to be sent, or ctx ends.
func (s *sender) await(ctx context.Context) {
	for ctx.Err() == nil {
		due, waits := s.due()
		if waits && !due.After(time.Now()) {
			return
		}
		wake := s.wake
		if len(s.again) > 0 {
			wake = nil // nothing else is sent before
		}
		pause := time.Duration(math.MaxInt64)
		if waits {
			pause = time.Until(due)
		}
		timer := time.NewTimer(pause)
		select {
		case r := <-s.answers:
			s.settle(r)
		case <-wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// joinMax is how long a batch that is not full waits at most because other requests are in flight: about as long as they are.
const joinMax = 10 * time.Millisecond

// lingers is how long a batch waits for more records: for a while longer while something is in flight, so that batches are about as large as if each
// request waited for the one before. Nothing waits that somebody flushes.
func (s *sender) lingers() time.Duration {
	linger := s.producer.lingers()
	if len(s.flights) > 0 && s.producer.hurrying.Load() == 0 {
		return max(linger, joinMax)
	}
	return linger
}

// due is when the next request may be sent, the zero time for at once, and false when nothing waits or an answer must come before.
func (s *sender) due() (first time.Time, waits bool) {
	if len(s.again) > 0 {
		return s.pause, len(s.flights) == 0
	}
	if len(s.flights) == requestsMax || len(s.flights) > 0 && s.numbersEnd() {
		return time.Time{}, false
	}
	linger := s.lingers()
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

// send makes one request.
func (s *sender) send(ctx context.Context, at route) {
	now := time.Now()
	if s.trouble != nil {
		s.expire(now)
	}
	r := s.fresh(at)
	if r.batches, s.again = s.fill(r.batches, s.again); len(r.batches) == 0 {
		r.batches = s.take(r.batches, now)
		s.observe(ctx, r.batches)
	}
	if len(r.batches) == 0 {
		s.spare = append(s.spare, r)
		return
	}
	after := s.newestInFlight()
	r.request.Producer = s.id
	for _, o := range r.batches {
		r.request.Batches = append(r.request.Batches, wire.ProduceBatch{Partition: o.lane.partition, Since: o.sendTo(at), After: after, Batch: o.bytes})
		if !o.undecided {
			after = o.number
		}
	}
	r.payload = r.request.AppendTo(r.payload[:0])
	if s.producer.cfg.Acks == AcksNone {
		s.publish(r)
		return
	}
	s.flights = append(s.flights, r)
	wait := s.producer.client.conn.start(at.produce, r.payload)
	go s.fly(ctx, r, wait)
}

// newestInFlight is the number of the newest batch that is in flight, 0: none is.
func (s *sender) newestInFlight() uint32 {
	if n := len(s.flights); n > 0 {
		last := s.flights[n-1].batches
		return last[len(last)-1].number
	}
	return 0
}

// fresh is an empty request.
func (s *sender) fresh(at route) *produceRequest {
	if n := len(s.spare); n > 0 {
		r := s.spare[n-1]
		s.spare = s.spare[:n-1]
		r.at = at
		return r
	}
	return &produceRequest{at: at}
}

// fill takes as many batches as a request may hold.
func (s *sender) fill(dst, from []*outgoing) (taken, rest []*outgoing) {
	room := s.producer.client.requestBytesMax() - produceHeaderBytes
	n := 0
	for ; n < len(from) && n < wire.BatchesMax; n++ {
		if room -= produceBatchHeaderBytes + len(from[n].bytes); room < 0 && n > 0 {
			break
		}
	}
	dst = append(dst, from[:n]...)
	return dst, slices.Delete(from, 0, n)
}

// fly waits for the answer to a request. It runs beside the sender, and knows nothing but the request.
func (s *sender) fly(ctx context.Context, r *produceRequest, wait func(context.Context) ([]byte, error)) {
	client := s.producer.client
	limited, cancel := context.WithTimeout(ctx, client.cfg.RequestTimeout)
	reply, err := wait(limited)
	cancel()
	switch {
	case err == nil:
		err = r.decode(reply)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %v", client.cfg.RequestTimeout)
	}
	r.err = err
	s.answers <- r
}

// Bounds of what a request takes beyond the bytes of its batches.
const (
	produceHeaderBytes      = 16
	produceBatchHeaderBytes = 24
	produceRequestOverhead  = produceHeaderBytes + produceBatchHeaderBytes
)

// numbersEnd says whether the numbers of the producer id are used up, but for those of one request.
func (s *sender) numbersEnd() bool { return s.last > numberMax-wire.BatchesMax }

// take numbers the batches of the next request. Lanes that get no place in it come first in the next one.
func (s *sender) take(batches []*outgoing, now time.Time) []*outgoing {
	if s.numbersEnd() {
		s.id, s.last = newProducerID(), 0
	}
	room := min(s.producer.client.requestBytesMax()-produceHeaderBytes, max(requestBytesAim, s.producer.cfg.BatchBytesMax+produceBatchHeaderBytes))
	linger := s.lingers()
	queued := s.takeQueue()
	n := 0 // lanes that had their turn
	for ; n < len(queued) && room > 0 && len(batches) < batchesMax; n++ {
		var more bool
		if batches, more = queued[n].take(batches, now, linger, &room); more {
			s.later = append(s.later, queued[n])
		}
	}
	s.putBack(queued[n:], s.later)
	clear(s.later)
	s.later = s.later[:0]
	for _, o := range batches {
		s.producer.press(o)
		s.last++
		o.number = s.last
		recordbatch.StampProducer(o.bytes, int64(s.id), 0, int32(s.last))
	}
	return batches
}

// batchesMax keeps the batches of all requests in flight well within what the broker remembers of a producer.
const batchesMax = wire.SequencesKept / (2 * requestsMax)

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

func (s *sender) publish(r *produceRequest) {
	err := s.producer.client.conn.publish(r.at.produce, r.payload)
	for _, o := range r.batches {
		if o.base = -1; err != nil {
			o.err = s.producer.client.unavailable("sending to topic "+s.topic(), err)
		}
		s.finish(o)
	}
	if err != nil {
		s.trouble, s.stale = err, r.at.session
	}
	s.reuse(r)
}

// reuse keeps a request that is settled for the next one.
func (s *sender) reuse(r *produceRequest) {
	clear(r.batches)
	clear(r.request.Batches)
	r.batches, r.request.Batches, r.err = r.batches[:0], r.request.Batches[:0], nil
	s.spare = append(s.spare, r)
}

func (r *produceRequest) decode(reply []byte) error {
	if err := r.response.Decode(reply); err != nil {
		return err
	}
	if r.response.Code == wire.OK && len(r.response.Results) != len(r.batches) {
		return fmt.Errorf("the broker answered %d of %d batches", len(r.response.Results), len(r.batches))
	}
	return nil
}

// settle gives every batch of a request its outcome or keeps it to be sent again.
func (s *sender) settle(r *produceRequest) {
	s.flights = slices.DeleteFunc(s.flights, func(f *produceRequest) bool { return f == r })
	serving, progress := r.err == nil, false
	s.trouble = r.err
	kept := len(s.again)
	for i, o := range r.batches {
		if r.err == nil {
			result := r.result(i)
			if o.settle(&result, r.response.Epoch) {
				progress = true
				if o.err == nil {
					s.routes.saw(o.lane.partition, o.epoch, o.base+int64(len(o.awaited)))
				}
				s.finish(o)
				continue
			}
			serving = serving && result.Code != wire.NotLeader && result.Code != wire.Retry
			s.trouble = o.repeated(&result)
		} else if !errors.Is(r.err, errUndelivered) {
			o.lost(r.err)
		}
		s.again = append(s.again, o)
	}
	if progress {
		s.backoff.reset()
	}
	if len(s.again) > kept {
		slices.SortFunc(s.again, func(a, b *outgoing) int { return cmp.Compare(a.number, b.number) })
		s.pause = time.Now().Add(s.backoff.next())
	}
	if !serving {
		s.stale = r.at.session
	} else if s.stale == r.at.session {
		s.stale = 0
	}
	s.reuse(r)
}

// result is what the response says of the i-th batch.
func (r *produceRequest) result(i int) wire.ProduceResult {
	if r.response.Code != wire.OK {
		return wire.ProduceResult{Code: r.response.Code, Detail: r.response.Detail}
	}
	return r.response.Results[i]
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
