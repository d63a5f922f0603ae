package eventstore

import (
	"context"
	"iter"

	"github.com/strandlog/strand/commitlog"
)

// Partition yields the events of one partition from an offset on, by ascending offset: up to an offset (exclusive; 0: the end as of now)
// or, when live, also what is yet to be appended. It is what projections read.
func (s *Store) Partition(ctx context.Context, partition int32, from, to int64, live bool) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for r, err := range s.log.Records(ctx, s.topic, partition, commitlog.Range{From: from, To: to, Live: live}) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			e, wanted, err := s.decode(&r)
			if err != nil {
				yield(Event{}, err)
				return
			}
			if wanted && !yield(e, nil) {
				return
			}
		}
	}
}
