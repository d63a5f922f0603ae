package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
)

// produceRows are what one producer gets through that does not wait for each record.
func produceRows() []row {
	return []row{{
		name: "produce/batch", peers: []string{"jetstream"},
		what:    "records of 1 KiB from one producer, batched, without waiting for each; 1 partition",
		columns: []column{{unit: "MB/s", targets: []target{{system: "jetstream", limit: 0.8}}}},
		probe:   func(s *strand) workload.Prober { return s.produce() },
	}}
}

// produce writes a topic of its own each time, so that no run has more on its disk than another.
func (s *strand) produce() workload.Prober {
	runs := 0
	return func(ctx context.Context, task workload.Task) (result workload.Result, err error) {
		n, err := s.appender(ctx)
		if err != nil {
			return workload.Result{}, err
		}
		runs++
		topic, err := n.client.CreateTopic(ctx, commitlog.TopicConfig{Name: fmt.Sprintf("%s-%d", profileName(task.Bench), runs), Kind: commitlog.Plain, Partitions: 1})
		if err != nil {
			return workload.Result{}, err
		}
		defer func() { err = errors.Join(err, n.client.DeleteTopic(ctx, topic.ID)) }()
		producer, err := n.client.Producer(ctx, topic, commitlog.ProducerConfig{})
		if err != nil {
			return workload.Result{}, err
		}
		var done workload.Done
		err = n.profiled(s.profiles, profileName(task.Bench), func() (err error) {
			done, err = workload.Pour(ctx, task.For, func(ctx context.Context, i int, stored workload.Stored) error {
				return producer.Send(ctx, commitlog.Message{Value: s.random.Bytes(i, workload.RecordBytes)}, func(_ commitlog.Delivery, err error) { stored(1, err) })
			})
			return err
		})
		if err := errors.Join(err, producer.Close(ctx)); err != nil {
			return workload.Result{}, err
		}
		return workload.Result{
			Values: []float64{done.PerSecond() * workload.RecordBytes / 1e6},
			Note:   "R1 fsync tcp 1 KiB; batches of up to 512 KiB; checksums; " + done.Quantiles(),
		}, nil
	}
}
