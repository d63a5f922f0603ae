package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/strandlog/strand/bench/workload"
)

// framing is how records are put into messages: so many bytes of them in each, and so many messages without an answer.
type framing struct{ bytes, window int }

func (f framing) String() string {
	return fmt.Sprintf("messages of %d KiB of records, %d under way", f.bytes>>10, f.window)
}

// framings are tried, and the fastest is measured.
func framings() (all []framing) {
	for _, bytes := range []int{256 << 10, 512 << 10, 1 << 20} {
		for _, window := range []int{2, 8, 32} {
			all = append(all, framing{bytes, window})
		}
	}
	return all
}

// produce publishes record batches: messages of many records back to back, which is as little as a client can do.
func (p *natsPeer) produce() workload.Prober {
	var best *framing
	runs := 0
	return func(ctx context.Context, task workload.Task) (workload.Result, error) {
		n, err := p.appender(ctx)
		if err != nil {
			return workload.Result{}, err
		}
		pour := func(f framing, measured time.Duration) (workload.Done, error) {
			runs++
			return n.pour(ctx, fmt.Sprintf("batches-%d", runs), f, measured)
		}
		if best == nil {
			most := 0.0
			for _, f := range framings() {
				done, err := pour(f, task.For/4)
				if err != nil {
					return workload.Result{}, fmt.Errorf("%s: %w", f, err)
				}
				if rate := done.PerSecond(); best == nil || rate > most {
					best, most = &f, rate
				}
			}
		}
		done, err := pour(*best, task.For)
		return workload.Result{
			Values: []float64{done.PerSecond() * workload.RecordBytes / 1e6},
			Note:   fmt.Sprintf("R1 SyncAlways tcp 1 KiB; %s; of a message %s", best, done.Quantiles()),
		}, err
	}
}

func (n *natsNode) pour(ctx context.Context, stream string, f framing, measured time.Duration) (done workload.Done, err error) {
	js, err := jetstream.New(n.conn, jetstream.WithPublishAsyncMaxPending(f.window))
	if err != nil {
		return done, err
	}
	defer js.CleanupPublisher()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{stream}, Storage: jetstream.FileStorage}); err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, js.DeleteStream(ctx, stream)) }()
	random := workload.NewRandom()
	records := f.bytes / workload.RecordBytes
	buffer := make([]byte, 0, f.bytes)
	return workload.Pour(ctx, measured, func(ctx context.Context, i int, stored workload.Stored) error {
		buffer = buffer[:0]
		for j := range records {
			buffer = append(buffer, random.Bytes(i*records+j, workload.RecordBytes)...)
		}
		answer, err := js.PublishAsync(stream, buffer, jetstream.WithStallWait(time.Minute)) // it has copied the message when it returns
		if err != nil {
			return err
		}
		go func() {
			select {
			case <-answer.Ok():
				stored(records, nil)
			case err := <-answer.Err():
				stored(0, err)
			case <-ctx.Done():
				stored(0, context.Cause(ctx))
			}
		}()
		return nil
	})
}
