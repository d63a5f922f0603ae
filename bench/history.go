package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/bench/workload"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

// summary is the state of the aggregate that is loaded and written to.
type summary struct{ Events, Last int }

// noted is the typed event as an aggregate's.
type noted workload.Noted

// Evolve counts.
func (n noted) Evolve(s *summary) { s.Events, s.Last = s.Events+1, n.N }

var accounts = aggregates.Type[summary]{Name: workload.Category, Events: map[string]aggregates.Event[summary]{"noted": noted{}}}

// history is a broker with a scattered data set, written by as many writers as there are, one event an append: so its batches are those that a busy
// service leaves behind.
type history struct {
	node    *node
	topic   commitlog.Topic
	store   *eventstore.Store
	scatter workload.Scatter
}

// past makes the history when it is first asked for.
func (s *strand) past(ctx context.Context, scale workload.Scale) (*history, error) {
	if s.history != nil {
		return s.history, nil
	}
	n, err := startNode(ctx, filepath.Join(s.dir, "history"))
	if err != nil {
		return nil, err
	}
	h := &history{node: n, scatter: workload.NewScatter(scale.Events)}
	s.history = h // closed with s, whatever becomes of it
	if h.store, err = eventstore.Open(ctx, n.client, eventstore.Config{Partitions: 1}, accounts); err != nil {
		return nil, err
	}
	if err := h.write(ctx, s.random); err != nil {
		return nil, fmt.Errorf("writing the history: %w", err)
	}
	h.topic, err = n.client.Topic(ctx, "events")
	return h, err
}

func (h *history) write(ctx context.Context, random *workload.Random) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	versions := make([]int64, h.scatter.Streams) // each belongs to the writer of its stream
	var count atomic.Int64
	var group sync.WaitGroup
	for _, order := range h.scatter.Order {
		group.Go(func() {
			for _, stream := range order {
				event := noted(random.Noted(int(count.Add(1))))
				if _, err := h.store.Append(ctx, workload.Stream(stream), eventstore.Expected(versions[stream]), event); err != nil {
					cancel(err)
					return
				}
				versions[stream]++
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}
