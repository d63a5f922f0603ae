package workload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Done is what a loop has done.
type Done struct {
	Count     int
	Elapsed   time.Duration
	Latencies []time.Duration // sorted
}

// PerSecond is the rate of the loop.
func (d Done) PerSecond() float64 { return float64(d.Count) / d.Elapsed.Seconds() }

// Median is the latency that half of the calls stayed below.
func (d Done) Median() time.Duration {
	if len(d.Latencies) == 0 {
		return 0
	}
	return d.Latencies[len(d.Latencies)/2]
}

// Loop lets workers call step, each as soon as its last call has returned, and counts the calls that end within the time. What is under way at either
// end of it evens out. A fifth of the time goes before it, uncounted, to warm up. The i of a step counts the calls of its worker. The first error ends
// the loop. When no call is as short as the time, those count that end after it, up to the end of the last.
func Loop(ctx context.Context, workers int, measured time.Duration, step func(ctx context.Context, worker, i int) error) (Done, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now().Add(measured / 5)
	end := start.Add(measured)
	calls := make([][]call, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				began := time.Now()
				if began.After(end) {
					return
				}
				if err := step(ctx, w, i); err != nil {
					cancel(err)
					return
				}
				if now := time.Now(); now.After(start) {
					calls[w] = append(calls[w], call{ended: now.Sub(start), took: now.Sub(began)})
				}
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return Done{}, err
	}
	return count(slices.Concat(calls...), measured), nil
}

// call is one call of a step: when it ended, from the start of what is measured, and what it took.
type call struct{ ended, took time.Duration }

func count(calls []call, measured time.Duration) Done {
	done := Done{Elapsed: measured}
	within := func(c call) bool { return c.ended <= measured }
	if !slices.ContainsFunc(calls, within) {
		for _, c := range calls {
			done.Elapsed = max(done.Elapsed, c.ended)
		}
	}
	for _, c := range calls {
		if c.ended <= done.Elapsed {
			done.Latencies = append(done.Latencies, c.took)
		}
	}
	slices.Sort(done.Latencies)
	done.Count = len(done.Latencies)
	return done
}

// Quantiles is the median and the 99th percentile of the latencies, for a note.
func (d Done) Quantiles() string {
	if len(d.Latencies) == 0 {
		return ""
	}
	return fmt.Sprintf("p50 %s, p99 %s", rounded(d.Median()), rounded(d.Latencies[len(d.Latencies)*99/100]))
}

func rounded(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// Own is the stream of the i-th call of a worker, when so many streams are divided among the workers: it belongs to that worker alone, which
// therefore knows its version.
func Own(worker, i, workers, streams int) int {
	each := max(streams/workers, 1)
	return worker*each + i%each
}

// Microseconds is the median latency as a figure.
func (d Done) Microseconds() float64 { return float64(d.Median().Nanoseconds()) / 1e3 }
