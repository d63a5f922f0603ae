package eventstore

import (
	"context"
	"iter"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

// tailAheadMax is how many events of all partitions together wait for the reader of a tail.
const tailAheadMax = 64

// Tail yields what the topic holds and then, without a gap, what is appended from now on. It ends with ctx, by ctx's error.
// Events of one partition come in their order; across partitions they come as they arrive. The errors are those of All.
func (s *Store) Tail(ctx context.Context, options ...AllOption) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		r, topic, err := s.rangeOf(ctx, options)
		if err != nil {
			yield(Event{}, err)
			return
		}
		type arrival struct {
			event Event
			err   error
		}
		arrivals := make(chan arrival, tailAheadMax)
		read, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		for i, at := range topic.Partitions {
			readers.Go(func() {
				for e, err := range s.part(read, int32(i), commitlog.Range{From: r.from(i), Live: true}, at.End, r.since) {
					select {
					case arrivals <- arrival{e, err}:
					case <-read.Done():
						return
					}
				}
			})
		}
		for {
			select {
			case a := <-arrivals:
				if !yield(a.event, a.err) || a.err != nil {
					return
				}
			case <-ctx.Done():
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}
