package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/metrics"
)

// runNode keeps a node up until ctx ends or the node gives up, and then closes it. After a signal, how long that may take is the
// business of supervise.
func runNode(ctx context.Context, cfg broker.Config, ready func(*broker.Broker) error) error {
	return measured(ctx, cfg, func(cfg broker.Config, m *metrics.Metrics) error {
		return keepUp(ctx, cfg, func(b *broker.Broker) error {
			m.Watch(b)
			return ready(b)
		})
	})
}

func keepUp(ctx context.Context, cfg broker.Config, ready func(*broker.Broker) error) error {
	b, err := broker.Start(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // stopped while it started
		}
		return err
	}
	if err := ready(b); err != nil {
		return errors.Join(err, b.Close(context.WithoutCancel(ctx)))
	}
	select {
	case <-ctx.Done():
		cfg.Logger.Info("stopping", slog.Duration("timeout", stopTimeout))
		return b.Close(context.WithoutCancel(ctx))
	case <-b.GaveUp():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return errors.Join(b.Err(), b.Close(closing))
	}
}
