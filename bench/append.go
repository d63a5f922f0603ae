package main

import (
	"context"
	"fmt"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
)

// appendRows are durable conditional appends of one event each, by so many goroutines on one connection.
func appendRows() []row {
	var rows []row
	for _, of := range []struct {
		writers int
		targets []target
	}{
		{1, []target{{system: "jetstream", limit: 0.6}}},
		{64, []target{{system: "postgres", limit: 4}, {system: "jetstream", limit: 12}}},
		{512, []target{{system: "postgres", limit: 8}, {system: "jetstream", limit: 25}}},
	} {
		base := fmt.Sprintf("append/cond/%dw", of.writers)
		peers := []string{"jetstream", "postgres", "sqlite"}
		if of.writers == 64 {
			peers = append(peers, "engine") // the ceiling
		}
		rows = append(rows, row{
			name: base, group: base, peers: peers,
			what:    fmt.Sprintf("conditional appends of 1 event, %d goroutines on one connection, 10k streams, 1 partition", of.writers),
			columns: []column{{unit: "events/s", targets: of.targets}},
			probe:   appendProbe(of.writers, 1),
		})
		for _, variant := range []struct {
			name       string
			partitions int
		}{{"p8", 8}, {"default", 0}} {
			rows = append(rows, row{
				name: base + "/" + variant.name, group: base,
				what:    "the same, " + map[int]string{8: "8 partitions, one shard", 0: "as many partitions as a topic has by default"}[variant.partitions],
				columns: []column{{unit: "events/s", targets: []target{{bench: base, system: ours, limit: 0.7}}}},
				probe:   appendProbe(of.writers, variant.partitions),
			})
		}
	}
	return rows
}

func appendProbe(writers, partitions int) func(*strand) workload.Prober {
	return func(s *strand) workload.Prober {
		var topic *commitlog.Topic
		var versions []int64
		return func(ctx context.Context, task workload.Task) (workload.Result, error) {
			n, err := s.appender(ctx)
			if err != nil {
				return workload.Result{}, err
			}
			if topic == nil {
				created, err := n.client.CreateTopic(ctx, commitlog.TopicConfig{Name: profileName(task.Bench), Partitions: partitions})
				if err != nil {
					return workload.Result{}, err
				}
				topic, versions = &created, make([]int64, task.Scale.Streams)
			}
			var done workload.Done
			err = n.profiled(s.profiles, profileName(task.Bench), func() (err error) {
				done, err = s.append(ctx, []*commitlog.Client{n.client}, *topic, writers, task, versions)
				return err
			})
			return workload.Result{Values: []float64{done.PerSecond()}, Note: fmt.Sprintf("R1 fsync tcp 256B; partitions=%d; %s", len(topic.Partitions), done.Quantiles())}, err
		}
	}
}

// append has writers, spread over some clients, append to streams of their own, each at the version that it knows.
func (s *strand) append(ctx context.Context, clients []*commitlog.Client, topic commitlog.Topic, writers int, task workload.Task, versions []int64) (workload.Done, error) {
	return workload.Loop(ctx, writers, task.For, func(ctx context.Context, worker, i int) error {
		stream := workload.Own(worker, i, writers, len(versions))
		_, err := clients[worker%len(clients)].Append(ctx, topic, commitlog.Append{Writes: []commitlog.Write{{
			Stream: workload.Stream(stream), Expected: commitlog.Expected(versions[stream]),
			Events: []commitlog.NewRecord{{Value: s.random.Payload(i*writers + worker)}},
		}}})
		versions[stream]++
		return err
	})
}
