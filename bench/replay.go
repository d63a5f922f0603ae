package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
)

func replayRows() []row {
	return []row{
		{
			name: "replay/raw", group: "replay", peers: []string{"jetstream", "postgres"},
			what:    "all records of 1M events from the beginning",
			columns: []column{{unit: "events/s", targets: []target{{system: "jetstream", limit: 3.5}}}},
			probe: func(s *strand) workload.Prober {
				return s.replay("checksums verified", func(ctx context.Context, h *history) (count int, err error) {
					for r, err := range h.node.client.Records(ctx, h.topic, 0, commitlog.Range{}) {
						if err != nil {
							return 0, err
						}
						if len(r.Value) > 0 {
							count++
						}
					}
					return count, nil
				})
			},
		},
		{
			name: "replay/typed", group: "replay",
			what:    "the same through eventstore.All, decoded to Go types",
			columns: []column{{unit: "events/s", targets: []target{{bench: "replay/raw", system: "jetstream", limit: 2}}}},
			probe: func(s *strand) workload.Prober {
				return s.replay("JSON decoded", func(ctx context.Context, h *history) (count int, err error) {
					for e, err := range h.store.All(ctx) {
						if err != nil {
							return 0, err
						}
						if _, ok := e.Data.(noted); ok {
							count++
						}
					}
					return count, nil
				})
			},
		},
	}
}

func (s *strand) replay(note string, read func(context.Context, *history) (int, error)) workload.Prober {
	return func(ctx context.Context, task workload.Task) (workload.Result, error) {
		h, err := s.past(ctx, task.Scale)
		if err != nil {
			return workload.Result{}, err
		}
		began := time.Now()
		var count int
		err = h.node.profiled(s.profiles, profileName(task.Bench), func() (err error) {
			count, err = read(ctx, h)
			return err
		})
		if err == nil && count != h.scatter.Events {
			err = fmt.Errorf("%d events where %d were written", count, h.scatter.Events)
		}
		return workload.Result{Values: []float64{float64(count) / time.Since(began).Seconds()}, Note: fmt.Sprintf("tcp 256B; %d events; %s", count, note)}, err
	}
}
