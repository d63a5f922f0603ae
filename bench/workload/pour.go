package workload

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Stored is told that so many records are on stable storage, or why not.
type Stored func(records int, err error)

// Pour sends without waiting for each answer, and counts the records that are stored within the time. send waits for room alone, and has stored called,
// once and from any goroutine; its i counts the calls. A fifth of the time goes before, uncounted, to warm up. The first error ends it; it then waits
// until everything has been told. Of the latencies every so-and-so-manieth is kept.
func Pour(ctx context.Context, measured time.Duration, send func(ctx context.Context, i int, stored Stored) error) (Done, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := pouring{cancel: cancel, start: time.Now().Add(measured / 5)}
	p.end = p.start.Add(measured)
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		if began.After(p.end) {
			break
		}
		p.underway.Add(1)
		if err := send(ctx, i, func(records int, err error) { p.stored(i, began, records, err) }); err != nil {
			p.underway.Done()
			cancel(err)
		}
	}
	p.underway.Wait()
	if err := context.Cause(ctx); err != nil {
		return Done{}, err
	}
	slices.Sort(p.latencies)
	return Done{Count: p.count, Elapsed: measured, Latencies: p.latencies}, nil
}

// pouring is one Pour.
type pouring struct {
	cancel     context.CancelCauseFunc
	start, end time.Time
	underway   sync.WaitGroup

	mu        sync.Mutex
	count     int
	latencies []time.Duration
}

// latencyEvery is the call of which the latency is kept: all of them would cost more than what is measured.
const latencyEvery = 61

func (p *pouring) stored(i int, began time.Time, records int, err error) {
	defer p.underway.Done()
	if err != nil {
		p.cancel(err)
		return
	}
	now := time.Now()
	if now.Before(p.start) || now.After(p.end) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count += records
	if records > 1 || i%latencyEvery == 0 {
		p.latencies = append(p.latencies, now.Sub(began))
	}
}
