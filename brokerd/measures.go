package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/brokerd/metrics"
)

// publishTimeout bounds what is still to be sent by OTLP when a node has stopped.
const publishTimeout = 2 * time.Second

// measured runs work with a node's configuration that has it measured, and publishes what is measured until work returns.
func measured(ctx context.Context, cfg broker.Config, work func(cfg broker.Config, m *metrics.Metrics) error) error {
	m, err := metrics.New(ctx, metrics.Config{Version: broker.Version(), Env: os.Getenv, Logger: cfg.Logger.With("component", "metrics")})
	if errors.Is(err, metrics.ErrProtocol) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	cfg.Observer = m
	cfg.Admin.Metrics = m.Handler()
	err = work(cfg, m)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	if lost := m.Close(closing); lost != nil { // the node has stopped well all the same
		cfg.Logger.Warn("the last measurements could not be published", slog.Any("error", lost))
	}
	return err
}
