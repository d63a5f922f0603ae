package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
	"golang.org/x/sync/errgroup"
)

// clientsRows are many connections that produce a little each.
func clientsRows() []row {
	return []row{{
		name: "produce/clients/1000", peers: []string{"jetstream"},
		what: "1000 connections that each produce a record, wait for it, and go on; all read back",
		columns: []column{
			{unit: "records/s"},
			{suffix: "/rss", unit: "MiB", less: true},
		},
		probe: func(s *strand) workload.Prober { return s.clients },
	}}
}

// crowd is a broker with many connections, and what they were told.
type crowd struct {
	node      *node
	topic     commitlog.Topic
	clients   []*commitlog.Client
	producers []*commitlog.Producer
	tally     *workload.Tally
}

// clients has every producer wait for each of its records. Afterwards the topic must hold what they were told and nothing else.
func (s *strand) clients(ctx context.Context, task workload.Task) (workload.Result, error) {
	if s.crowd == nil {
		c, err := s.newCrowd(ctx, task.Scale.Clients)
		if err != nil {
			return workload.Result{}, err
		}
		s.crowd = c
	}
	c := s.crowd
	var done workload.Done
	var most atomic.Int64
	err := c.node.profiled(s.profiles, profileName(task.Bench), func() (err error) {
		done, err = workload.Loop(ctx, len(c.producers), task.For, func(ctx context.Context, worker, i int) error {
			value := c.tally.Record(worker, s.random.Payload(i*len(c.producers)+worker))
			_, err := c.producers[worker].Deliver(ctx, commitlog.Message{Value: value})
			return err
		})
		rss, asked := c.node.child.RSS()
		most.Store(rss)
		return errors.Join(err, asked)
	})
	if err != nil {
		return workload.Result{}, err
	}
	if err := c.readBack(ctx); err != nil {
		return workload.Result{}, err
	}
	return workload.Result{
		Values: []float64{done.PerSecond(), float64(most.Load()) / (1 << 20)},
		Note:   fmt.Sprintf("R1 fsync tcp 256B; %d connections; %d records read back; %s", len(c.clients), c.tally.Sum(), done.Quantiles()),
	}, nil
}

func (s *strand) newCrowd(ctx context.Context, clients int) (*crowd, error) {
	n, err := startNode(ctx, filepath.Join(s.dir, "crowd"))
	if err != nil {
		return nil, err
	}
	c := &crowd{node: n, clients: make([]*commitlog.Client, clients), producers: make([]*commitlog.Producer, clients), tally: workload.NewTally(clients)}
	if c.topic, err = n.client.CreateTopic(ctx, commitlog.TopicConfig{Name: "crowd", Kind: commitlog.Plain, Partitions: 1}); err != nil {
		return nil, errors.Join(err, c.close())
	}
	var group errgroup.Group
	group.SetLimit(32) // of those that connect at once
	for i := range clients {
		group.Go(func() (err error) {
			if c.clients[i], err = commitlog.Dial(ctx, n.child.Ready()); err != nil {
				return err
			}
			c.producers[i], err = c.clients[i].Producer(ctx, c.topic, commitlog.ProducerConfig{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// readBack reads the whole topic.
func (c *crowd) readBack(ctx context.Context) error {
	check := c.tally.Check()
	for r, err := range c.node.client.Records(ctx, c.topic, 0, commitlog.Range{}) {
		if err != nil {
			return err
		}
		if err := check.Saw(r.Value); err != nil {
			return err
		}
	}
	return check.Complete()
}

func (c *crowd) close() error {
	for _, client := range c.clients {
		if client != nil {
			_ = client.Close() // its producer has nothing under way
		}
	}
	return c.node.close()
}
