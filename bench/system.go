package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/strandlog/strand/bench/workload"
)

// system is Strand or a peer, set up for this run.
type system interface {
	run(ctx context.Context, t turn, task workload.Task) (workload.Result, error)
	close() error
}

// absentError says why a system cannot do a benchmark. It is reported, and the others go on.
type absentError struct{ reason string }

func (e *absentError) Error() string { return e.reason }

// absence is why a system is absent, on one line.
func absence(err error) *absentError {
	return &absentError{strings.Join(strings.Fields(err.Error()), " ")}
}

// absent is a system that could not be started.
type absent struct{ why *absentError }

func (a absent) run(context.Context, turn, workload.Task) (workload.Result, error) {
	return workload.Result{}, a.why
}

func (a absent) close() error { return nil }

type systems map[string]system

// startSystems builds what the peers need. Servers start when they are first asked.
func startSystems(ctx context.Context, names []string, dir, profiles string, progress io.Writer) (systems, error) {
	all := systems{}
	var program string
	var failed error
	for _, name := range names {
		if name == ours {
			own, err := newStrand(dir, profiles)
			if err != nil {
				return nil, err
			}
			all[name] = own
			continue
		}
		if program == "" && failed == nil {
			_, _ = fmt.Fprintln(progress, "building bench/peers") // nobody misses it
			program, failed = buildPeers(ctx, dir)
		}
		if failed != nil {
			all[name] = absent{absence(failed)}
			continue
		}
		all[name] = newPeer(name, program, dir)
	}
	return all, nil
}

func (s systems) run(ctx context.Context, t turn, task workload.Task) (workload.Result, error) {
	result, err := s[t.system].run(ctx, t, task)
	if err == nil && len(result.Values) != len(t.row.columns) {
		err = fmt.Errorf("%d values where the row has %d columns", len(result.Values), len(t.row.columns))
	}
	return result, err
}

func (s systems) close() error {
	var errs []error
	for name, system := range s {
		if err := system.close(); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
