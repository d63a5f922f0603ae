package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
	"golang.org/x/sync/errgroup"
)

// fanoutConsumers is how many read the same.
const fanoutConsumers = 8

func fanoutRows() []row {
	return []row{{
		name:    "consume/fanout/8",
		what:    "8 consumers, each on a connection of its own, read the same recent records of 1 KiB",
		columns: []column{{unit: "MB/s", targets: []target{{limit: 300}}}},
		probe:   func(s *strand) workload.Prober { return s.fanout() },
	}}
}

// fanout counts what all consumers receive together. An error of any of them, and a record too few, fails the run.
func (s *strand) fanout() workload.Prober {
	var topic *commitlog.Topic
	return func(ctx context.Context, task workload.Task) (workload.Result, error) {
		n, err := s.appender(ctx)
		if err != nil {
			return workload.Result{}, err
		}
		count := task.Scale.FanoutBytes / workload.RecordBytes
		if topic == nil {
			t, err := s.recent(ctx, n, profileName(task.Bench), count)
			if err != nil {
				return workload.Result{}, err
			}
			topic = &t
		}
		clients := make([]*commitlog.Client, fanoutConsumers)
		for i := range clients {
			if clients[i], err = commitlog.Dial(ctx, n.child.Ready()); err != nil {
				return workload.Result{}, err
			}
			defer func() { _ = clients[i].Close() }() // it has read all it wants
		}
		began := time.Now()
		err = n.profiled(s.profiles, profileName(task.Bench), func() error {
			group, ctx := errgroup.WithContext(ctx)
			for _, client := range clients {
				group.Go(func() error { return readAll(ctx, client, *topic, count) })
			}
			return group.Wait()
		})
		took := time.Since(began).Seconds()
		return workload.Result{
			Values: []float64{float64(count) * fanoutConsumers * workload.RecordBytes / 1e6 / took},
			Note:   fmt.Sprintf("tcp 1 KiB; %d records each; checksums verified; none refused or missing", count),
		}, err
	}
}

// recent is a topic with so many records that were just written.
func (s *strand) recent(ctx context.Context, n *node, name string, count int) (commitlog.Topic, error) {
	topic, err := n.client.CreateTopic(ctx, commitlog.TopicConfig{Name: name, Kind: commitlog.Plain, Partitions: 1})
	if err != nil {
		return topic, err
	}
	producer, err := n.client.Producer(ctx, topic, commitlog.ProducerConfig{})
	if err != nil {
		return topic, err
	}
	for i := range count {
		if err = producer.Send(ctx, commitlog.Message{Value: s.random.Bytes(i, workload.RecordBytes)}, nil); err != nil {
			break
		}
	}
	return topic, errors.Join(err, producer.Close(ctx))
}

func readAll(ctx context.Context, client *commitlog.Client, topic commitlog.Topic, count int) error {
	seen := 0
	for r, err := range client.Records(ctx, topic, 0, commitlog.Range{}) {
		if err != nil {
			return err
		}
		if len(r.Value) == workload.RecordBytes {
			seen++
		}
	}
	if seen != count {
		return fmt.Errorf("%d records where %d were written", seen, count)
	}
	return nil
}
