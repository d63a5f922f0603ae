package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// natsRestart is a server that is killed and started again. It is filled without syncing, in its favour, and killed and measured with.
type natsRestart struct {
	node *natsNode
	last uint64 // sequence of the aggregate that shows that the server is back
}

const restartStream = "events"

func (p *natsPeer) kill(ctx context.Context, task workload.Task) (workload.Result, error) {
	random := workload.NewRandom()
	streams := task.Scale.RestartStreams
	known := streams - 1
	if p.restart == nil {
		if err := p.prepareRestart(ctx, task.Scale, random); err != nil {
			return workload.Result{}, err
		}
	}
	r := p.restart
	const writers = 64
	_, err := workload.Loop(ctx, writers, min(task.For, time.Second), func(ctx context.Context, worker, i int) error {
		_, err := r.node.js.Publish(ctx, restartStream+"."+workload.Stream(workload.Own(worker, i, writers, known)), random.Payload(i))
		return err
	})
	if err != nil {
		return workload.Result{}, err
	}
	began := time.Now()
	r.node.kill()
	if r.node, err = startNATS(ctx, p.path("restart"), true); err != nil {
		return workload.Result{}, err
	}
	ack, err := r.node.js.Publish(ctx, restartStream+"."+workload.Stream(known), random.Payload(0), jetstream.WithExpectLastSequencePerSubject(r.last))
	if err != nil {
		return workload.Result{}, err
	}
	r.last = ack.Sequence
	took := time.Since(began)
	rss, err := r.node.child.RSS()
	return workload.Result{
		Values: []float64{took.Seconds(), float64(rss) / (1 << 20)},
		Note:   fmt.Sprintf("R1 SyncAlways 256B; %d events over %d subjects, one message each", task.Scale.RestartEvents, streams),
	}, err
}

func (p *natsPeer) prepareRestart(ctx context.Context, scale workload.Scale, random *workload.Random) error {
	n, err := startNATS(ctx, p.path("restart"), false)
	if err != nil {
		return err
	}
	p.restart = &natsRestart{node: n}
	if err := n.createEvents(ctx, restartStream); err != nil {
		return err
	}
	err = n.load(ctx, func(yield func(string, []byte) bool) {
		for i := range scale.RestartEvents {
			if !yield(restartStream+"."+workload.Stream(i%scale.RestartStreams), random.Payload(i)) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	p.restart.last = uint64(scale.RestartEvents)
	if err := n.close(); err != nil {
		return err
	}
	p.restart.node, err = startNATS(ctx, p.path("restart"), true)
	return err
}

// memory fills a new server each time.
func (p *natsPeer) memory(ctx context.Context, task workload.Task) (result workload.Result, err error) {
	dir := p.path("memory")
	n, err := startNATS(ctx, dir, false)
	if err != nil {
		return workload.Result{}, err
	}
	defer func() {
		n.kill()
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if err := n.createEvents(ctx, restartStream); err != nil {
		return workload.Result{}, err
	}
	random := workload.NewRandom()
	resident := func(first, end int) (int64, error) {
		err := n.load(ctx, func(yield func(string, []byte) bool) {
			for i := first; i < end; i++ {
				if !yield(restartStream+"."+workload.Stream(i), random.Payload(i)) {
					return
				}
			}
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
	return workload.Result{
		Values: []float64{float64(after-before) / float64(task.Scale.MemoryTo-task.Scale.MemoryFrom)},
		Note: fmt.Sprintf("%d MiB at %d subjects, %d MiB at %d; at rest, unused memory given back",
			before>>20, task.Scale.MemoryFrom, after>>20, task.Scale.MemoryTo),
	}, err
}
