package commitlog

import (
	"slices"
	"sync"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
)

// lane holds the batches of one partition that have no outcome yet. Records are encoded straight into the newest batch.
type lane struct {
	producer  *Producer
	sender    *sender
	partition int32

	mu      sync.Mutex  // taken before the sender's
	closed  error       // not nil: no more records
	waiting []*outgoing // without a number, oldest first; only the last may take records
	sent    []*outgoing // with a number, and without an outcome that everybody was told
	queued  bool        // the sender knows that batches wait
	hint    int         // memory of the batch that was sealed last
	headers []byte      // of the record that is being added
}

// add puts a record into the newest batch, or into a new one. Memory that is needed beyond that of the newest batch is taken from the budget; if that
// is not possible at once, add returns how much to wait for and to call again with as granted. What was granted and not needed is returned.
func (l *lane) add(m *Message, size int, told func(Delivery, error), granted int) (needs int, err error) {
	l.mu.Lock()
	if l.closed != nil {
		l.mu.Unlock()
		l.producer.memory.give(granted)
		return 0, l.closed
	}
	o, full := l.room(size, &granted)
	if o == nil {
		l.mu.Unlock()
		l.finishSeal(full)
		l.sender.signal()
		return l.producer.memory.size(recordbatch.HeaderBytes + awaitedBytes + size), nil
	}
	l.headers = encodeHeaders(l.headers[:0], m.Headers)
	at := o.created.UnixMilli()
	if l.producer.topic.ProducerTime {
		if at = m.Time.UnixMilli(); m.Time.IsZero() {
			at = time.Now().UnixMilli()
		}
	}
	o.builder.Append(recordbatch.Entry{Timestamp: at, Key: m.Key, Value: m.Value, HeaderCount: len(m.Headers), Headers: l.headers})
	o.awaited = append(o.awaited, awaited{told: told, time: at})
	wake := !l.queued || full != nil
	if !l.queued {
		l.queued = true
		l.sender.enqueue(l)
	}
	l.mu.Unlock()
	if granted > 0 {
		l.producer.memory.give(granted)
	}
	l.finishSeal(full)
	if wake {
		l.sender.signal()
	}
	return 0, nil
}

// room returns a batch that takes size more bytes, nil when there is no memory for one, and the batch that was sealed because it does not, whose
// pressing is held.
func (l *lane) room(size int, granted *int) (open, full *outgoing) {
	mem := l.producer.memory
	if n := len(l.waiting); n > 0 && !l.waiting[n-1].sealed {
		o := l.waiting[n-1]
		needs := o.used() + awaitedBytes + size
		if needs <= o.memory {
			return o, nil
		}
		if needs <= mem.batchMax && o.memory < mem.batchMax {
			if grown := mem.size(max(needs, min(2*o.memory, mem.batchMax))); l.obtain(grown-o.memory, granted) {
				o.grow(mem, grown)
				return o, nil
			}
		}
		full = o
		full.pressing.Lock()
		l.seal(full)
	}
	needs := mem.size(recordbatch.HeaderBytes + awaitedBytes + size)
	for _, memory := range []int{max(needs, l.hint), needs} {
		if l.obtain(memory, granted) {
			return l.begin(memory), full
		}
	}
	return nil, full
}

// obtain takes bytes from what was granted or from the budget.
func (l *lane) obtain(bytes int, granted *int) bool {
	if *granted >= bytes {
		*granted -= bytes
		return true
	}
	if *granted > 0 { // it is enough for a batch of the least size
		return false
	}
	return l.producer.memory.tryTake(bytes)
}

// begin opens a batch in memory that was taken.
func (l *lane) begin(memory int) *outgoing {
	o := l.producer.fresh()
	now := time.Now()
	o.lane, o.created, o.deadline = l, now, now.Add(l.producer.cfg.DeliveryTimeout)
	o.builder.Reset(0, now.UnixMilli(), 0)
	o.grow(l.producer.memory, memory)
	l.waiting = append(l.waiting, o)
	return o
}

// seal ends a batch: it takes no more records.
func (l *lane) seal(o *outgoing) {
	o.sealed, o.size = true, o.builder.Len()
	l.hint = min(l.producer.memory.size(o.used()), o.memory, l.producer.memory.batchMax)
	l.producer.leave(l.partition)
}

// finishSeal presses a batch that room sealed, without any lock but its own: batches are compressed by as many goroutines as fill them.
func (l *lane) finishSeal(o *outgoing) {
	if o == nil {
		return
	}
	o.press(l.producer.codec, &l.producer.scratch)
	o.pressing.Unlock()
}

// take moves the batches that are due, as far as there is room, from those that wait to dst. It reports whether more wait; if not, the lane is not
// queued any more.
func (l *lane) take(dst []*outgoing, now time.Time, linger time.Duration, room *int) (_ []*outgoing, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for ; n < len(l.waiting) && len(dst) < batchesMax; n++ {
		o := l.waiting[n]
		if !o.sealed && linger > 0 && now.Before(o.created.Add(linger)) {
			break
		}
		size := o.size
		if !o.sealed {
			size = o.builder.Len()
		}
		size += produceBatchHeaderBytes
		if *room -= size; *room < 0 && len(dst) > 0 { // the first is always taken: its size was checked when it was sent
			break
		}
		if !o.sealed {
			l.seal(o)
		}
		dst = append(dst, o)
		l.sent = append(l.sent, o)
	}
	l.waiting = slices.Delete(l.waiting, 0, n)
	l.queued = len(l.waiting) > 0
	return dst, l.queued
}

// takeAll removes and returns the batches that wait.
func (l *lane) takeAll() []*outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut(len(l.waiting))
}

// overdue removes and returns the batches that wait for too long, and ends one that has taken records for long enough.
func (l *lane) overdue(now time.Time) []*outgoing {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.waiting) && !now.Before(l.waiting[n].deadline) {
		n++
	}
	cut := l.cut(n)
	if n := len(l.waiting); n > 0 && !l.waiting[n-1].sealed && now.Sub(l.waiting[n-1].created) > l.producer.cfg.DeliveryTimeout/joinPart {
		l.seal(l.waiting[n-1])
	}
	return cut
}

// cut removes and returns the n oldest batches that wait. They count as sent until they are forgotten. The caller holds the lock.
func (l *lane) cut(n int) []*outgoing {
	cut := slices.Clone(l.waiting[:n])
	l.sent = append(l.sent, cut...)
	l.waiting = slices.Delete(l.waiting, 0, n)
	return cut
}

// due is when the oldest waiting batch may be sent: the zero time for at once. ok is false when none waits.
func (l *lane) due(linger time.Duration) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return time.Time{}, false
	}
	if o := l.waiting[0]; linger > 0 && !o.sealed {
		return o.created.Add(linger), true
	}
	return time.Time{}, true
}

// forget drops a batch that has its outcome, and wakes who waits for that.
func (l *lane) forget(o *outgoing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.sent, o); i >= 0 {
		l.sent = slices.Delete(l.sent, i, i+1)
	}
	if o.done != nil {
		close(o.done)
	}
}

// unfinished returns a channel for each batch that has no outcome yet.
func (l *lane) unfinished() (all []<-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, batches := range [][]*outgoing{l.sent, l.waiting} {
		for _, o := range batches {
			if o.done == nil {
				o.done = make(chan struct{})
			}
			all = append(all, o.done)
		}
	}
	return all
}

// close refuses records from now on.
func (l *lane) close(reason error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = reason
	}
}
