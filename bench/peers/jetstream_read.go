package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// reading reads all messages of a subject, of which there are so many.
type reading func(ctx context.Context, n *natsNode, subject string, count int) error

// readings are the ways of reading that were found to be fast: which one is fastest depends on how much is read.
func readings() map[string]reading {
	return map[string]reading{
		"push, flow control": readPush,
		"pull, AckNone":      readPull,
		"direct get batch":   readDirect,
	}
}

func (p *natsPeer) readProbers() map[string]workload.Prober {
	probers := map[string]workload.Prober{
		"replay/raw": func(ctx context.Context, task workload.Task) (workload.Result, error) {
			h, err := p.past(ctx, task.Scale)
			if err != nil {
				return workload.Result{}, err
			}
			way, err := h.fastest(ctx, task.Bench, historyStream+".>", h.scatter.Events)
			if err != nil {
				return workload.Result{}, err
			}
			began := time.Now()
			err = readings()[way](ctx, h.node, historyStream+".>", h.scatter.Events)
			return workload.Result{
				Values: []float64{float64(h.scatter.Events) / time.Since(began).Seconds()},
				Note:   fmt.Sprintf("tcp 256B; %d events; %s", h.scatter.Events, way),
			}, err
		},
	}
	for _, events := range []int{10, 100, 1000} {
		next := 0
		probers[fmt.Sprintf("load/%d", events)] = func(ctx context.Context, task workload.Task) (workload.Result, error) {
			h, err := p.past(ctx, task.Scale)
			if err != nil {
				return workload.Result{}, err
			}
			streams := h.scatter.ByLength[events]
			way, err := h.fastest(ctx, task.Bench, historySubject(streams[len(streams)-1]), events)
			if err != nil {
				return workload.Result{}, err
			}
			read := readings()[way]
			done, err := workload.Loop(ctx, 1, task.For, func(ctx context.Context, _, _ int) error {
				stream := streams[next%len(streams)]
				next++
				return read(ctx, h.node, historySubject(stream), events)
			})
			return workload.Result{Values: []float64{done.Microseconds()}, Note: "tcp 256B; by subject; " + way + "; " + done.Quantiles()}, err
		}
	}
	return probers
}

// fastest tries each way twice, the first time to warm up, and remembers which one was the fastest.
func (h *natsHistory) fastest(ctx context.Context, bench, subject string, count int) (string, error) {
	if way, known := h.best[bench]; known {
		return way, nil
	}
	var least time.Duration
	var errs []error
	for way, read := range readings() {
		for range 2 {
			began := time.Now()
			if err := read(ctx, h.node, subject, count); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", way, err))
				break
			}
			if took := time.Since(began); least == 0 || took < least {
				least, h.best[bench] = took, way
			}
		}
	}
	if least == 0 {
		return "", errors.Join(errs...)
	}
	return h.best[bench], nil
}

// patience is how long a reading waits for its next message.
const patience = 30 * time.Second

// readPush is the ordered push consumer of the older interface.
func readPush(ctx context.Context, n *natsNode, subject string, count int) error {
	js, err := n.conn.JetStream()
	if err != nil {
		return err
	}
	finished := make(chan struct{})
	seen := 0 // belongs to the subscription's goroutine
	subscription, err := js.Subscribe(subject, func(*nats.Msg) {
		if seen++; seen == count {
			close(finished)
		}
	}, nats.BindStream(historyStream), nats.OrderedConsumer(), nats.DeliverAll())
	if err != nil {
		return err
	}
	defer func() { _ = subscription.Unsubscribe() }() // it is of no use any more
	if err := subscription.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	return wait(ctx, finished)
}

// readPull is a pull consumer in memory that acknowledges nothing and asks for much at a time.
func readPull(ctx context.Context, n *natsNode, subject string, count int) error {
	consumer, err := n.js.CreateConsumer(ctx, historyStream, jetstream.ConsumerConfig{
		FilterSubject: subject, AckPolicy: jetstream.AckNonePolicy, DeliverPolicy: jetstream.DeliverAllPolicy, MemoryStorage: true, Replicas: 1,
	})
	if err != nil {
		return err
	}
	defer func() { _ = n.js.DeleteConsumer(ctx, historyStream, consumer.CachedInfo().Name) }() // else they pile up to the limit of the stream
	finished := make(chan struct{})
	seen := 0
	consuming, err := consumer.Consume(func(jetstream.Msg) {
		if seen++; seen == count {
			close(finished)
		}
	}, jetstream.PullMaxMessages(min(10_000, count)))
	if err != nil {
		return err
	}
	defer consuming.Stop()
	return wait(ctx, finished)
}

func wait(ctx context.Context, finished <-chan struct{}) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-deadline.C:
		return errors.New("not all messages came")
	}
}

// readDirect asks for batches without a consumer. Messages come with their headers, which end with the sequence; an empty one ends the batch.
func readDirect(ctx context.Context, n *natsNode, subject string, count int) error {
	inbox := n.conn.NewInbox()
	answers, err := n.conn.SubscribeSync(inbox)
	if err != nil {
		return err
	}
	defer func() { _ = answers.Unsubscribe() }() // it is of no use any more
	if err := answers.SetPendingLimits(-1, -1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for from, seen := "1", 0; seen < count; {
		question, err := json.Marshal(map[string]any{"seq": json.Number(from), "next_by_subj": subject, "batch": min(count-seen, 1000)})
		if err != nil {
			return err
		}
		if err := n.conn.PublishRequest("$JS.API.DIRECT.GET."+historyStream, inbox, question); err != nil {
			return err
		}
		for {
			m, err := answers.NextMsgWithContext(ctx)
			if err != nil {
				return err
			}
			if status := m.Header.Get("Status"); status != "" {
				if status != "204" {
					return fmt.Errorf("direct get: %s %s", status, m.Header.Get("Description"))
				}
				break
			}
			seen++
			from = m.Header.Get("Nats-Sequence")
		}
		if from, err = following(from); err != nil {
			return err
		}
	}
	return nil
}

func following(sequence string) (string, error) {
	var n uint64
	if _, err := fmt.Sscan(sequence, &n); err != nil {
		return "", err
	}
	return fmt.Sprint(n + 1), nil
}
