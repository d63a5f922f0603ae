package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// appendProbers publish one message for each event, expecting the last sequence of its subject, and wait for the acknowledgement.
func (p *natsPeer) appendProbers() map[string]workload.Prober {
	random := workload.NewRandom()
	probers := map[string]workload.Prober{}
	for _, writers := range []int{1, 64, 512} {
		name := fmt.Sprintf("w%d", writers)
		var last []uint64 // sequence by aggregate
		probers[fmt.Sprintf("append/cond/%dw", writers)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			n, err := p.appender(ctx)
			if err != nil {
				return workload.Result{}, err
			}
			if last == nil {
				if err := n.createEvents(ctx, name); err != nil {
					return workload.Result{}, err
				}
				last = make([]uint64, task.Scale.Streams)
			}
			done, err := appendTo(ctx, []*natsNode{n}, name, writers, task, last, random)
			return workload.Result{Values: []float64{done.PerSecond()}, Note: "R1 SyncAlways tcp 256B; expected sequence per subject; " + done.Quantiles()}, err
		}
	}
	return probers
}

// appendTo has writers, spread over some connections, publish to subjects of their own, each with the sequence that it knows.
func appendTo(ctx context.Context, nodes []*natsNode, name string, writers int, task workload.Task, last []uint64, random *workload.Random) (workload.Done, error) {
	return workload.Loop(ctx, writers, task.For, func(ctx context.Context, worker, i int) error {
		stream := workload.Own(worker, i, writers, len(last))
		ack, err := nodes[worker%len(nodes)].js.Publish(ctx, name+"."+workload.Stream(stream), random.Payload(i*writers+worker),
			jetstream.WithExpectLastSequencePerSubject(last[stream]))
		if err == nil {
			last[stream] = ack.Sequence
		}
		return err
	})
}
