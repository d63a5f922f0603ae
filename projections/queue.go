package projections

import (
	"context"
	"slices"
	"sync"
)

// queue hands deliveries from the reader of a partition to its worker, in order. It has one writer and one reader, and is
// bounded in count and bytes; a delivery above the bound passes alone.
type queue struct {
	countMax, bytesMax int

	mu    sync.Mutex // guards the fields up to ended
	items []delivery
	bytes int
	ended error // why nothing more will be put; nil: not ended

	filled, freed chan struct{} // one token each: something was put or ended; something was taken
}

func newQueue(countMax, bytesMax int) *queue {
	return &queue{countMax: countMax, bytesMax: bytesMax, filled: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// put waits for room. A record that concerns no handler takes the place of one right before it, since only the newer mark counts.
func (q *queue) put(ctx context.Context, d delivery) error {
	for !q.tryPut(d) {
		select {
		case <-q.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(q.filled)
	return nil
}

func (q *queue) tryPut(d delivery) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last := len(q.items) - 1; last >= 0 && !d.matters() && !q.items[last].matters() {
		q.items[last] = d
		return true
	}
	if len(q.items) > 0 && (len(q.items) >= q.countMax || q.bytes+d.size > q.bytesMax) {
		return false
	}
	q.items = append(q.items, d)
	q.bytes += d.size
	return true
}

// end says that nothing more will be put, and why: io.EOF when the end was reached.
func (q *queue) end(err error) {
	q.mu.Lock()
	q.ended = err
	q.mu.Unlock()
	signal(q.filled)
}

// take appends what waits to batch, at most countMax deliveries and about bytesMax bytes, and waits if there is nothing.
// The reason given to end comes after the last delivery.
func (q *queue) take(ctx context.Context, batch []delivery, countMax, bytesMax int) ([]delivery, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		batch, err := q.tryTake(batch, countMax, bytesMax)
		if err != nil {
			return nil, err
		}
		if len(batch) > 0 {
			signal(q.freed)
			return batch, nil
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
		}
	}
}

func (q *queue) tryTake(batch []delivery, countMax, bytesMax int) ([]delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return batch, q.ended
	}
	n, bytes := 0, 0
	for n < len(q.items) && n < countMax && (n == 0 || bytes+q.items[n].size <= bytesMax) {
		bytes += q.items[n].size
		n++
	}
	batch = append(batch, q.items[:n]...)
	q.items = slices.Delete(q.items, 0, n)
	q.bytes -= bytes
	return batch, nil
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
