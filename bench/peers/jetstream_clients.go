package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
	"golang.org/x/sync/errgroup"
)

// natsCrowd is a server with many connections, and what they were told.
type natsCrowd struct {
	node  *natsNode
	conns []*nats.Conn
	js    []jetstream.JetStream
	tally *workload.Tally
}

const crowdStream = "crowd"

// clients has every connection publish a message and wait for its answer.
func (p *natsPeer) clients(ctx context.Context, task workload.Task) (workload.Result, error) {
	if p.crowd == nil {
		c, err := startCrowd(ctx, p.path(crowdStream), task.Scale.Clients)
		if err != nil {
			return workload.Result{}, err
		}
		p.crowd = c
	}
	c := p.crowd
	random := workload.NewRandom()
	done, err := workload.Loop(ctx, len(c.js), task.For, func(ctx context.Context, worker, i int) error {
		_, err := c.js[worker].Publish(ctx, crowdStream, c.tally.Record(worker, random.Payload(i*len(c.js)+worker)))
		return err
	})
	if err != nil {
		return workload.Result{}, err
	}
	rss, err := c.node.child.RSS()
	if err != nil {
		return workload.Result{}, err
	}
	stream, err := c.node.js.Stream(ctx, crowdStream)
	if err != nil {
		return workload.Result{}, err
	}
	if stored, sent := stream.CachedInfo().State.Msgs, c.tally.Sum(); stored != uint64(sent) {
		return workload.Result{}, fmt.Errorf("%d messages are stored where %d were acknowledged", stored, sent)
	}
	return workload.Result{
		Values: []float64{done.PerSecond(), float64(rss) / (1 << 20)},
		Note:   fmt.Sprintf("R1 SyncAlways tcp 256B; %d connections; %d messages counted; %s", len(c.conns), c.tally.Sum(), done.Quantiles()),
	}, nil
}

func startCrowd(ctx context.Context, dir string, clients int) (*natsCrowd, error) {
	n, err := startNATS(ctx, dir, true)
	if err != nil {
		return nil, err
	}
	c := &natsCrowd{node: n, conns: make([]*nats.Conn, clients), js: make([]jetstream.JetStream, clients), tally: workload.NewTally(clients)}
	if _, err := n.js.CreateStream(ctx, jetstream.StreamConfig{Name: crowdStream, Subjects: []string{crowdStream}, Storage: jetstream.FileStorage}); err != nil {
		n.kill()
		return nil, err
	}
	var group errgroup.Group
	group.SetLimit(32) // of those that connect at once
	for i := range clients {
		group.Go(func() (err error) {
			if c.conns[i], err = nats.Connect(n.child.Ready()); err != nil {
				return err
			}
			c.js[i], err = jetstream.New(c.conns[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		n.kill()
		return nil, err
	}
	return c, nil
}

func (c *natsCrowd) close() error {
	for _, conn := range c.conns {
		conn.Close()
	}
	return c.node.close()
}
