package eventstore

import (
	"context"
	"iter"
	"sync"
)

// Tail yields what the topic holds and then, without a gap, what is appended from now on. It ends with ctx, by ctx's error.
// Events of one partition come in their order; across partitions they come as they arrive.
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
		arrivals := make(chan arrival)
		read, cancel := context.WithCancel(ctx)
		var readers sync.WaitGroup
		defer readers.Wait()
		defer cancel()
		for i := range topic.Partitions {
			readers.Go(func() {
				for e, err := range s.since(s.Partition(read, int32(i), r.from(i), 0, true), r.since) {
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
