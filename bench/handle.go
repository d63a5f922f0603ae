package main

import (
	"context"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/eventstore"
)

func handleRows() []row {
	const writers = 64
	const like = "append/cond/64w"
	return []row{{
		name: "handle/64w", group: like,
		what:    "Repository.Handle: load, decide, append, 64 goroutines on one connection, 10k aggregates, 1 partition, cache warm",
		columns: []column{{unit: "events/s", targets: []target{{bench: like, system: ours, limit: 0.6}}}},
		probe: func(s *strand) workload.Prober {
			var repository *aggregates.Repository[summary]
			return func(ctx context.Context, task workload.Task) (workload.Result, error) {
				n, err := s.appender(ctx)
				if err != nil {
					return workload.Result{}, err
				}
				if repository == nil {
					store, err := eventstore.Open(ctx, n.client, eventstore.Config{Topic: "handle", Partitions: 1}, accounts)
					if err != nil {
						return workload.Result{}, err
					}
					repository = aggregates.NewRepository(store, accounts, aggregates.RepositoryConfig{CacheEntriesMax: 2 * task.Scale.Streams})
				}
				var done workload.Done
				err = n.profiled(s.profiles, profileName(task.Bench), func() (err error) {
					done, err = workload.Loop(ctx, writers, task.For, func(ctx context.Context, worker, i int) error {
						key := workload.Key(workload.Own(worker, i, writers, task.Scale.Streams))
						_, err := repository.Handle(ctx, key, note{noted(s.random.Noted(i*writers + worker))})
						return err
					})
					return err
				})
				return workload.Result{Values: []float64{done.PerSecond()}, Note: "R1 fsync tcp 256B; partitions=1; JSON; " + done.Quantiles()}, err
			}
		},
	}}
}

// note is a command that always succeeds.
type note struct{ what noted }

// Decide looks at the state, and records the note.
func (n note) Decide(s summary) ([]aggregates.Event[summary], error) {
	if s.Last == n.what.N {
		return nil, nil
	}
	return []aggregates.Event[summary]{n.what}, nil
}
