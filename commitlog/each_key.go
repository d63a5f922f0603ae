package commitlog

import (
	"context"
	"hash/maphash"
	"sync"
)

// eachKeyAhead bounds the records that wait for each goroutine of EachKey.
const eachKeyAhead = 64

// EachKey processes the records of the partition in n goroutines: those of one key one after the other in their order, those of different keys side by side.
// A record without a key is a key of its own. Only when all records before it have been processed is one committed, so a record is processed again when one
// before it failed.
//
// It ends with the first error of fn, when those that are at work have returned, or with one of Records; and without an error when ctx ends, after the
// records that are at work. The next call begins with the first record that was not processed.
func (p *Partition[T]) EachKey(ctx context.Context, n int, fn func(ctx context.Context, r Received[T]) error) error {
	n = max(n, 1)
	working, end := context.WithCancelCause(ctx)
	defer end(nil)
	var (
		done    = prefix{processed: p.Processed, freed: make(chan struct{}, 1)}
		seed    = maphash.MakeSeed()
		lanes   = make([]chan Received[T], n)
		workers sync.WaitGroup
	)
	for i := range lanes {
		lanes[i] = make(chan Received[T], eachKeyAhead)
		workers.Go(func() {
			for r := range lanes[i] {
				if working.Err() != nil {
					return // what waits is left
				}
				// Like a loop over Records, it lets what is at work end when the partition moves.
				if err := fn(ctx, r); err != nil {
					end(err)
					return
				}
				done.end(r.Offset)
			}
		})
	}
	var failed error
	turn := 0
	for r, err := range p.received(working) {
		if err != nil {
			failed = err
			break
		}
		lane := turn % n
		if turn++; r.Key != nil {
			lane = int(maphash.Bytes(seed, r.Key) % uint64(n))
		}
		if !done.begin(working, r.Offset, r.Epoch, n) {
			break
		}
		select {
		case lanes[lane] <- r:
			continue
		case <-working.Done():
		}
		break
	}
	for _, lane := range lanes {
		close(lane)
	}
	workers.Wait()
	if first, ok := done.first(); ok {
		p.rewind(first)
	}
	if failed == nil && ctx.Err() == nil {
		failed = context.Cause(working)
	}
	return failed
}

// prefix finds up to where everything has been processed, of what is processed in any order.
type prefix struct {
	processed func(next int64, epoch uint64)

	freed chan struct{} // a token when there is room again

	mu    sync.Mutex
	under []underway // by offset
}

// underMax is how many records, for each goroutine, may be done or under way behind one that takes long.
const underMax = 16 * eachKeyAhead

type underway struct {
	offset int64
	epoch  uint64
	done   bool
}

// begin waits for room, and says false when ctx has ended.
func (p *prefix) begin(ctx context.Context, offset int64, epoch uint64, n int) bool {
	for {
		p.mu.Lock()
		if len(p.under) < n*underMax {
			p.under = append(p.under, underway{offset: offset, epoch: epoch})
			p.mu.Unlock()
			return true
		}
		p.mu.Unlock()
		select {
		case <-p.freed:
		case <-ctx.Done():
			return false
		}
	}
}

func (p *prefix) end(offset int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.under {
		if p.under[i].offset == offset && !p.under[i].done { // after SeekTo it may be there twice
			p.under[i].done = true
			break
		}
	}
	n := 0
	for n < len(p.under) && p.under[n].done {
		n++
	}
	if n > 0 {
		last := p.under[n-1]
		p.under = append(p.under[:0], p.under[n:]...)
		p.processed(last.offset+1, last.epoch)
		select {
		case p.freed <- struct{}{}:
		default:
		}
	}
}

// first is the lowest offset that was begun and has not ended.
func (p *prefix) first() (offset int64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.under {
		if !u.done && (!ok || u.offset < offset) {
			offset, ok = u.offset, true
		}
	}
	return offset, ok
}
