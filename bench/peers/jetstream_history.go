package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// natsHistory is a server with the scattered data set.
type natsHistory struct {
	node    *natsNode
	scatter workload.Scatter
	best    map[string]string // row → the fastest way of reading, once it is known
}

const historyStream = "events"

func historySubject(stream int) string { return historyStream + "." + workload.Stream(stream) }

func (p *natsPeer) past(ctx context.Context, scale workload.Scale) (*natsHistory, error) {
	if p.history != nil {
		return p.history, nil
	}
	n, err := startNATS(ctx, p.path("history"), false)
	if err != nil {
		return nil, err
	}
	h := &natsHistory{node: n, scatter: workload.NewScatter(scale.Events), best: map[string]string{}}
	p.history = h
	if err := n.createEvents(ctx, historyStream); err != nil {
		return nil, err
	}
	random := workload.NewRandom()
	events := func(yield func(string, []byte) bool) {
		i := 0
		for stream := range h.scatter.All {
			i++
			data, _ := json.Marshal(random.Noted(i)) // a number and a string: it cannot fail
			if !yield(historySubject(stream), data) {
				return
			}
		}
	}
	return h, n.load(ctx, events)
}

// load publishes without waiting for each answer.
func (n *natsNode) load(ctx context.Context, events func(yield func(subject string, data []byte) bool)) error {
	for subject, data := range events {
		if _, err := n.js.PublishAsync(subject, data, jetstream.WithStallWait(time.Minute)); err != nil {
			return fmt.Errorf("loading: %w", err)
		}
	}
	select {
	case <-n.js.PublishAsyncComplete():
		if failed := n.failed.Load(); failed != nil {
			return fmt.Errorf("loading: %w", *failed)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
