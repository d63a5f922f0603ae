package main

import (
	"context"
	"fmt"
	"os"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// newEngine is no peer but the ceiling of Strand's appends: the same engine with nothing around it. Each message holds an event of each writer, as a
// frame does when all of them wait, and the next one is published when the last was acknowledged. There are no versions, no index and no answers to writers.
func newEngine(_ context.Context, dir string) (*peer, error) {
	p := &natsPeer{dir: dir}
	return &peer{probers: p.frameProbers(), close: p.close}, os.MkdirAll(dir, 0o755)
}

func (p *natsPeer) frameProbers() map[string]workload.Prober {
	const writers = 64
	frame := workload.NewRandom().Bytes(1, writers*workload.PayloadBytes)
	alone, replicated := "frames", "framesr3"
	var one, leader *natsNode
	probe := func(ctx context.Context, n *natsNode, stream string, task workload.Task, copies int) (workload.Result, error) {
		var last uint64
		done, err := workload.Loop(ctx, 1, task.For, func(ctx context.Context, _, _ int) error {
			options := []jetstream.PublishOpt{}
			if last > 0 {
				options = append(options, jetstream.WithExpectLastSequence(last))
			}
			ack, err := n.js.Publish(ctx, stream+".frame", frame, options...)
			if err == nil {
				last = ack.Sequence
			}
			return err
		})
		return workload.Result{
			Values: []float64{done.PerSecond() * writers},
			Note:   fmt.Sprintf("R%d SyncAlways tcp; %d events a message, one message at a time; %s", copies, writers, done.Quantiles()),
		}, err
	}
	row := fmt.Sprintf("append/cond/%dw", writers)
	return map[string]workload.Prober{
		row: func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if one == nil {
				n, err := p.appender(ctx)
				if err != nil {
					return workload.Result{}, err
				}
				if err := n.createEvents(ctx, alone); err != nil {
					return workload.Result{}, err
				}
				one = n
			}
			return probe(ctx, one, alone, task, 1)
		},
		row + "/r3": func(ctx context.Context, task workload.Task) (workload.Result, error) {
			if leader == nil {
				if err := p.startCluster(ctx); err != nil {
					return workload.Result{}, err
				}
				nodes, err := p.cluster.connect(ctx, replicated, 1)
				if err != nil {
					return workload.Result{}, err
				}
				leader = nodes[0]
			}
			return probe(ctx, leader, replicated, task, clusterSize)
		},
	}
}
