package main

import (
	"container/heap"
	"context"
	"iter"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

// span is what is to be read of a partition: from an offset, or commitlog.Earliest, to one that is not read any more.
type span struct {
	partition int32
	from, to  int64
}

// reading is what a command reads of a topic.
type reading struct {
	client *commitlog.Client
	topic  commitlog.Topic
	spans  []span
	follow bool         // go on behind the spans
	idle   func() error // is called when there is nothing more for the moment
}

// records yields the records of all spans by their time, and those of one partition in their order; then, if it is to follow, what is appended behind
// them, as it arrives. It holds what is read ahead of each partition.
func (r *reading) records(ctx context.Context) iter.Seq2[commitlog.Record, error] {
	return func(yield func(commitlog.Record, error) bool) {
		for rec, err := range r.merged(ctx) {
			if !yield(rec, err) || err != nil {
				return
			}
		}
		if err := r.idle(); err != nil {
			yield(commitlog.Record{}, err)
			return
		}
		if r.follow {
			r.live(ctx)(yield)
		}
	}
}

// merged yields what the spans hold.
func (r *reading) merged(ctx context.Context) iter.Seq2[commitlog.Record, error] {
	return func(yield func(commitlog.Record, error) bool) {
		var all heads
		for _, s := range r.spans {
			if s.from >= s.to {
				continue
			}
			h := &head{}
			var stop func()
			h.next, stop = iter.Pull2(r.client.Records(ctx, r.topic, s.partition, commitlog.Range{From: s.from, To: s.to}))
			defer stop()
			more, err := h.advance()
			if err != nil {
				yield(commitlog.Record{}, err)
				return
			}
			if more {
				all = append(all, h)
			}
		}
		heap.Init(&all)
		for len(all) > 0 {
			if !yield(all[0].record, nil) {
				return
			}
			more, err := all[0].advance()
			switch {
			case err != nil:
				yield(commitlog.Record{}, err)
				return
			case more:
				heap.Fix(&all, 0)
			default:
				heap.Pop(&all)
			}
		}
	}
}

// arrivalsMax is how many records of all partitions together wait to be shown.
const arrivalsMax = 64

// live yields what comes behind the spans.
func (r *reading) live(ctx context.Context) iter.Seq2[commitlog.Record, error] {
	type arrival struct {
		record commitlog.Record
		err    error
	}
	return func(yield func(commitlog.Record, error) bool) {
		arrivals := make(chan arrival, arrivalsMax)
		ctx, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		for _, s := range r.spans {
			readers.Go(func() {
				for rec, err := range r.client.Records(ctx, r.topic, s.partition, commitlog.Range{From: s.to, Live: true}) {
					select {
					case arrivals <- arrival{rec, err}:
					case <-ctx.Done():
						return
					}
				}
			})
		}
		for {
			if len(arrivals) == 0 {
				if err := r.idle(); err != nil {
					yield(commitlog.Record{}, err)
					return
				}
			}
			select {
			case a := <-arrivals:
				if !yield(a.record, a.err) || a.err != nil {
					return
				}
			case <-ctx.Done():
				yield(commitlog.Record{}, ctx.Err())
				return
			}
		}
	}
}

// head is the next record of a partition.
type head struct {
	next   func() (commitlog.Record, error, bool)
	record commitlog.Record
}

func (h *head) advance() (more bool, err error) {
	h.record, err, more = h.next()
	return more && err == nil, err
}

// heads is a heap of them: the oldest first and, within one instant, the lowest partition.
type heads []*head

// Len is a method of heap.Interface.
func (h heads) Len() int { return len(h) }

// Less is a method of heap.Interface.
func (h heads) Less(i, j int) bool {
	a, b := &h[i].record, &h[j].record
	if !a.Time.Equal(b.Time) {
		return a.Time.Before(b.Time)
	}
	return a.Partition < b.Partition
}

// Swap is a method of heap.Interface.
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is a method of heap.Interface.
func (h *heads) Push(x any) { *h = append(*h, x.(*head)) }

// Pop is a method of heap.Interface.
func (h *heads) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
