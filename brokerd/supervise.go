package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopTimeout bounds a clean stop.
const stopTimeout = 10 * time.Second

// untilSignal runs work under the signals that stop a node.
func untilSignal(ctx context.Context, work func(context.Context) error) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	return supervise(ctx, signals, work)
}

// supervise runs work until it returns. The first signal ends its context and leaves it stopTimeout to return. A second signal, or the end
// of that time, abandons it: the caller is to exit.
func supervise(ctx context.Context, signals <-chan os.Signal, work func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- work(working) }()

	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-signals:
		stop()
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case s := <-signals:
		return &abandonedError{signal: s}
	case <-timeout.C:
		return &abandonedError{}
	}
}

// abandonedError says why a node was stopped before it had finished: a second signal, or, when that is nil, stopTimeout.
type abandonedError struct{ signal os.Signal }

func (e *abandonedError) Error() string {
	why := fmt.Sprintf("it did not stop within %s", stopTimeout)
	if e.signal != nil {
		why = fmt.Sprintf("a second signal arrived (%s)", e.signal)
	}
	return "stopped at once, because " + why + ": what was acknowledged is on disk, and the next start recovers it"
}
