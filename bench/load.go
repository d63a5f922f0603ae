package main

import (
	"context"
	"fmt"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/bench/workload"
)

func loadRows() []row {
	var rows []row
	for _, of := range []struct {
		events  int
		targets []target
	}{
		{10, []target{{system: "jetstream", limit: 0.25, atMost: true}, {system: "postgres", limit: 1, atMost: true}}},
		{100, []target{{system: "jetstream", limit: 0.05, atMost: true}}},
		{1000, []target{{system: "jetstream", limit: 0.05, atMost: true}}},
	} {
		rows = append(rows, row{
			name: fmt.Sprintf("load/%d", of.events), peers: []string{"jetstream", "postgres", "sqlite"},
			what:    fmt.Sprintf("load one cold aggregate of %d events scattered over 1M, median", of.events),
			columns: []column{{unit: "µs", less: true, targets: of.targets}},
			probe:   loadProbe(of.events),
		})
	}
	return rows
}

// loadProbe loads through a repository that caches nothing: each event is fetched, checked, decoded and folded.
func loadProbe(events int) func(*strand) workload.Prober {
	return func(s *strand) workload.Prober {
		next := 0
		return func(ctx context.Context, task workload.Task) (workload.Result, error) {
			h, err := s.past(ctx, task.Scale)
			if err != nil {
				return workload.Result{}, err
			}
			streams := h.scatter.ByLength[events]
			repository := aggregates.NewRepository(h.store, accounts, aggregates.RepositoryConfig{CacheEntriesMax: -1})
			var done workload.Done
			err = h.node.profiled(s.profiles, profileName(task.Bench), func() (err error) {
				done, err = workload.Loop(ctx, 1, task.For, func(ctx context.Context, _, _ int) error {
					stream := streams[next%len(streams)]
					next++
					loaded, err := repository.Load(ctx, workload.Key(stream))
					if err == nil && loaded.State.Events != events {
						err = fmt.Errorf("stream %d has %d events where %d were written", stream, loaded.State.Events, events)
					}
					return err
				})
				return err
			})
			return workload.Result{Values: []float64{done.Microseconds()}, Note: "tcp 256B; decoded and folded; " + done.Quantiles()}, err
		}
	}
}
