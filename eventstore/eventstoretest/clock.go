package eventstoretest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func (s *subject) testTime() {
	t := s.newTopic()
	var mu sync.Mutex
	times := map[string]time.Time{} // by value; guarded by mu
	parallel(4, func(i int) {
		for n := range 25 {
			value := fmt.Sprintf("%d-%d", i, n)
			done, err := s.append(t, write(fmt.Sprintf("note-%d", n), commitlog.Any, value))
			if err != nil {
				s.Errorf("appending: %v", err)
				return
			}
			mu.Lock()
			times[value] = done.Time
			mu.Unlock()
		}
	})
	for p := range int32(partitions) {
		var last time.Time
		for _, r := range s.partition(t, p, commitlog.Range{}) {
			switch {
			case r.Time.Before(last):
				s.Errorf("partition %d, offset %d was recorded at %v, behind one of %v", p, r.Offset, r.Time, last)
			case !r.Time.Equal(times[string(r.Value)]):
				s.Errorf("partition %d, offset %d was recorded at %v, the append said %v", p, r.Offset, r.Time, times[string(r.Value)])
			case r.Time.Nanosecond()%int(time.Millisecond) != 0:
				s.Errorf("record time %v is finer than a millisecond", r.Time)
			}
			last = r.Time
		}
	}
}

func (s *subject) testSinceUntil() {
	store := s.newStore()
	// Record time is in milliseconds, so some events share one; what counts is that both sides agree on where a time lies.
	s.noteMany(store, 60)
	all := collect(s, store.All(s.Context()))
	for _, at := range []time.Time{{}, all[0].Time, all[20].Time, all[30].Time.Add(time.Nanosecond), all[59].Time, all[59].Time.Add(time.Millisecond)} {
		want := 0
		for _, e := range all {
			if !e.Time.Before(at) {
				want++
			}
		}
		if got := len(collect(s, store.All(s.Context(), eventstore.Since(at)))); got != want {
			s.Errorf("%d events since %v, want %d", got, at, want)
		}
		until := 0
		for i := range 10 {
			for _, e := range collect(s, store.Stream(s.Context(), fmt.Sprintf("note-%d", i), eventstore.Until(at))) {
				if until++; e.Time.After(at) {
					s.Errorf("%s was recorded at %v, after %v", e.Position, e.Time, at)
				}
			}
		}
		equal := 0
		for _, e := range all {
			if e.Time.Equal(at) {
				equal++
			}
		}
		if until != len(all)-want+equal {
			s.Errorf("%d events until %v, want %d", until, at, len(all)-want+equal)
		}
		if want == 0 {
			continue
		}
		ctx, cancel := context.WithCancel(s.within())
		for _, err := range store.Tail(ctx, eventstore.Since(at)) {
			if err != nil {
				s.Errorf("a tail since %v ends before its %d events: %v", at, want, err)
				break
			}
			if want--; want == 0 {
				break
			}
		}
		cancel()
	}
}
