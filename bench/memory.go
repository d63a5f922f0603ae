package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
)

func memoryRows() []row {
	return []row{{
		name: "memory/streams", peers: []string{"jetstream"}, slow: true,
		what:    "resident memory of the broker for each further stream of one event, from 100k to 1M streams",
		columns: []column{{unit: "B", less: true, targets: []target{{limit: 64, atMost: true}}}},
		probe:   func(s *strand) workload.Prober { return s.memory },
	}}
}

// memory fills a new broker each time: what a process has resident depends on its past.
func (s *strand) memory(ctx context.Context, task workload.Task) (result workload.Result, err error) {
	dir := filepath.Join(s.dir, "memory")
	n, err := startNode(ctx, dir)
	if err != nil {
		return workload.Result{}, err
	}
	defer func() {
		n.kill()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	topic, err := n.client.CreateTopic(ctx, commitlog.TopicConfig{Name: "events", Partitions: 1})
	if err != nil {
		return workload.Result{}, err
	}
	fill := restart{node: n, topic: topic, versions: make([]int64, task.Scale.MemoryTo)}
	resident := func(first, end int) (int64, error) {
		err := inBlocks(ctx, end-first, func(ctx context.Context, block []int) error {
			for i := range block {
				block[i] += first
			}
			_, err := fill.append(ctx, s.random, commitlog.NoStream, block...)
			return err
		})
		if err != nil {
			return 0, err
		}
		return n.child.SettledRSS(ctx)
	}
	before, err := resident(0, task.Scale.MemoryFrom)
	if err != nil {
		return workload.Result{}, err
	}
	after, err := resident(task.Scale.MemoryFrom, task.Scale.MemoryTo)
	if s.profiles != "" && err == nil {
		_, err = n.child.Ask("heap " + filepath.Join(s.profiles, profileName(task.Bench)+"-heap.pprof"))
	}
	slope := float64(after-before) / float64(task.Scale.MemoryTo-task.Scale.MemoryFrom)
	return workload.Result{
		Values: []float64{slope},
		Note: fmt.Sprintf("%d MiB at %d streams, %d MiB at %d; at rest, unused memory given back",
			before>>20, task.Scale.MemoryFrom, after>>20, task.Scale.MemoryTo),
	}, err
}
