package commitlog

import (
	"slices"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// backlog holds the appends to one shard that are not in flight and says which of them make up the next request. It has no lock, clock or
// goroutine of its own.
type backlog struct {
	producer *numbering // gives fresh appends their sequences
	fresh    []*pending // never sent, in order of arrival
	again    []*pending // sent before without an outcome
	left     int        // abandoned ones in fresh
}

func (b *backlog) add(p *pending) {
	if p.sequence == 0 {
		b.fresh = append(b.fresh, p)
	} else {
		b.again = append(b.again, p)
	}
}

// leave marks p as abandoned. The abandoned are dropped before they are the greater part: what waits stays bounded while no broker answers.
func (b *backlog) leave(p *pending) {
	p.abandoned = true
	if p.sequence != 0 {
		return // take drops it
	}
	if b.left++; 2*b.left > len(b.fresh) {
		b.fresh = slices.DeleteFunc(b.fresh, func(p *pending) bool { return p.abandoned })
		b.left = 0
	}
}

// due is when the next append may be sent, the zero time for at once, and false when none waits.
func (b *backlog) due() (time.Time, bool) {
	if len(b.fresh) > b.left {
		return time.Time{}, true
	}
	var first *pending
	for _, p := range b.again {
		if !p.abandoned && (first == nil || p.due.Before(first.due)) {
			first = p
		}
	}
	if first == nil {
		return time.Time{}, false
	}
	return first.due, true
}

// take removes and returns the appends of the next request, whose encoding must not exceed bytesMax: all of one producer, those that were sent
// before first.
func (b *backlog) take(now time.Time, bytesMax int) []*pending {
	r := requestRoom{bytes: wire.RequestHeaderBytesMax, bytesMax: bytesMax}
	oldest := uint64(0) // unresolved sequence of the current producer
	b.again = slices.DeleteFunc(b.again, func(p *pending) bool {
		if p.abandoned {
			return true
		}
		if p.producer == b.producer && (oldest == 0 || p.sequence < oldest) {
			oldest = p.sequence
		}
		return !p.due.After(now) && (len(r.taken) == 0 || r.taken[0].producer == p.producer) && r.add(p)
	})
	if len(r.taken) == 0 || r.taken[0].producer == b.producer {
		b.takeFresh(&r, oldest)
	}
	return r.taken
}

// takeFresh numbers as many fresh appends as there is room for. While an old append without an outcome holds the sequences up, the fresh ones go on
// under a new producer and the old one is sent again on its own.
func (b *backlog) takeFresh(r *requestRoom, oldest uint64) {
	n := 0
	for ; n < len(b.fresh); n++ {
		p := b.fresh[n]
		if p.abandoned {
			b.left--
			continue
		}
		if !b.producer.admits(oldest) {
			if len(r.taken) > 0 {
				break
			}
			b.producer, oldest = newNumbering(), 0
		}
		if !r.add(p) {
			break
		}
		p.producer, p.sequence = b.producer, b.producer.next()
	}
	clear(b.fresh[:n])
	if b.fresh = b.fresh[n:]; len(b.fresh) == 0 {
		b.fresh = nil
	}
}

// all removes and returns every append whose caller still waits.
func (b *backlog) all() []*pending {
	all := slices.DeleteFunc(append(b.again, b.fresh...), func(p *pending) bool { return p.abandoned })
	b.again, b.fresh, b.left = nil, nil, 0
	return all
}

// requestRoom counts what is taken against the limits of one request.
type requestRoom struct {
	taken           []*pending
	bytes, bytesMax int
}

// add takes p unless the request is full. The first is always taken: it was checked when it was packed.
func (r *requestRoom) add(p *pending) bool {
	bytes := r.bytes + wire.AppendHeaderBytesMax + len(p.body)
	if len(r.taken) > 0 && (bytes > r.bytesMax || len(r.taken) == wire.AppendsMax) {
		return false
	}
	r.bytes = bytes
	r.taken = append(r.taken, p)
	return true
}
