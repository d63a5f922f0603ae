package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
)

func restartRows() []row {
	return []row{{
		name: "restart/10M", peers: []string{"jetstream"}, slow: true,
		what: "SIGKILL under load to the first append answered, with 10M events over 1M streams",
		columns: []column{
			{suffix: "/time", unit: "s", less: true, targets: []target{{system: "jetstream", limit: 0.35, atMost: true}}},
			{suffix: "/rss", unit: "MiB", less: true, targets: []target{{system: "jetstream", limit: 0.35, atMost: true}}},
		},
		probe: func(s *strand) workload.Prober { return s.kill },
	}}
}

// restart is a broker that is killed and started again, over and over.
type restart struct {
	node     *node
	dir      string
	topic    commitlog.Topic
	versions []int64
}

// kill kills the broker while it is written to, and measures until it has answered an append with the right version.
func (s *strand) kill(ctx context.Context, task workload.Task) (workload.Result, error) {
	if s.restart == nil {
		if err := s.prepareRestart(ctx, task.Scale); err != nil {
			return workload.Result{}, err
		}
	}
	r := s.restart
	const writers = 64
	// The streams at the end are left alone, so that the append that shows that the broker is back knows its version whatever became of the others.
	known := len(r.versions) - 1
	busy := func(ctx context.Context, worker, i int) error {
		_, err := r.append(ctx, s.random, commitlog.Any, workload.Own(worker, i, writers, known))
		return err
	}
	if _, err := workload.Loop(ctx, writers, min(task.For, time.Second), busy); err != nil {
		return workload.Result{}, err
	}
	began := time.Now()
	r.node.kill()
	n, err := startNode(ctx, r.dir, s.startProfile(task.Bench)...)
	if err != nil {
		return workload.Result{}, err
	}
	r.node = n
	if _, err := r.append(ctx, s.random, commitlog.Expected(r.versions[known]), known); err != nil {
		return workload.Result{}, fmt.Errorf("the append after the restart: %w", err)
	}
	r.versions[known]++
	took := time.Since(began)
	rss, err := n.child.RSS()
	return workload.Result{
		Values: []float64{took.Seconds(), float64(rss) / (1 << 20)},
		Note:   fmt.Sprintf("R1 fsync 256B; %d events over %d streams", task.Scale.RestartEvents, task.Scale.RestartStreams),
	}, err
}

func (r *restart) append(ctx context.Context, random *workload.Random, expected commitlog.Expected, streams ...int) (commitlog.Appended, error) {
	writes := make([]commitlog.Write, len(streams))
	for i, stream := range streams {
		writes[i] = commitlog.Write{
			Stream: workload.Stream(stream), Expected: expected, Events: []commitlog.NewRecord{{Value: random.Payload(stream)}},
		}
	}
	return r.node.client.Append(ctx, r.topic, commitlog.Append{Writes: writes})
}

func (s *strand) prepareRestart(ctx context.Context, scale workload.Scale) error {
	r := &restart{dir: filepath.Join(s.dir, "restart"), versions: make([]int64, scale.RestartStreams)}
	var err error
	if r.node, err = startNode(ctx, r.dir); err != nil {
		return err
	}
	s.restart = r // killed with s, whatever becomes of it
	if r.topic, err = r.node.client.CreateTopic(ctx, commitlog.TopicConfig{Name: "events", Partitions: 1}); err != nil {
		return err
	}
	for version := range scale.RestartEvents / scale.RestartStreams {
		if err := r.round(ctx, s.random, int64(version)); err != nil {
			return fmt.Errorf("writing version %d of all streams: %w", version+1, err)
		}
	}
	return nil
}

// round appends one event to every stream, as many streams an append as fit.
func (r *restart) round(ctx context.Context, random *workload.Random, version int64) error {
	return inBlocks(ctx, len(r.versions), func(ctx context.Context, streams []int) error {
		_, err := r.append(ctx, random, commitlog.Expected(version), streams...)
		for _, stream := range streams {
			r.versions[stream] = version + 1
		}
		return err
	})
}

// inBlocks calls fn with all of 0..n-1, in blocks and from several goroutines: the fastest way to fill a log.
func inBlocks(ctx context.Context, n int, fn func(ctx context.Context, block []int) error) error {
	const writers, size = 32, 128
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	blocks := make(chan []int)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for block := range blocks {
				if err := fn(ctx, block); err != nil {
					cancel(err)
				}
			}
		})
	}
	for first := 0; first < n && ctx.Err() == nil; first += size {
		block := make([]int, min(size, n-first))
		for i := range block {
			block[i] = first + i
		}
		blocks <- block
	}
	close(blocks)
	group.Wait()
	return context.Cause(ctx)
}
