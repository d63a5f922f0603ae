package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/strandlog/strand/bench/workload"
)

// strand is our side: brokers as processes of their own, clients in this one. Probers keep what they need from run to run in it.
type strand struct {
	dir      string
	profiles string // directory; empty: none
	random   *workload.Random

	appends *node    // the broker that appends go to
	cluster *cluster // the brokers that replicated appends go to
	crowd   *crowd   // the broker that many connections produce to
	history *history // the broker with the events that are replayed and loaded
	restart *restart // the broker that is killed
	model   *readModel
	probers map[string]workload.Prober
}

func newStrand(dir, profiles string) (*strand, error) {
	if profiles != "" {
		var err error
		if profiles, err = filepath.Abs(profiles); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(profiles, 0o755); err != nil {
			return nil, err
		}
	}
	return &strand{dir: filepath.Join(dir, ours), profiles: profiles, random: workload.NewRandom(), probers: map[string]workload.Prober{}}, nil
}

func (s *strand) run(ctx context.Context, t turn, task workload.Task) (workload.Result, error) {
	prober, ok := s.probers[t.row.name]
	if !ok {
		prober = t.row.probe(s)
		s.probers[t.row.name] = prober
	}
	return prober(ctx, task)
}

func (s *strand) close() error {
	var errs []error
	if s.model != nil {
		errs = append(errs, s.model.close())
	}
	if s.appends != nil {
		errs = append(errs, s.appends.close())
	}
	if s.cluster != nil {
		errs = append(errs, s.cluster.close())
	}
	if s.crowd != nil {
		errs = append(errs, s.crowd.close())
	}
	if s.history != nil {
		errs = append(errs, s.history.node.close())
	}
	if s.restart != nil {
		s.restart.node.kill()
	}
	return errors.Join(errs...)
}

// appender is the broker that the rows of durable appends share.
func (s *strand) appender(ctx context.Context) (*node, error) {
	if s.appends == nil {
		n, err := startNode(ctx, filepath.Join(s.dir, "appends"))
		if err != nil {
			return nil, err
		}
		s.appends = n
	}
	return s.appends, nil
}

// profileName makes a file name of a row's.
func profileName(bench string) string { return strings.ReplaceAll(bench, "/", "-") }

// startProfile is the environment of a broker whose start is profiled, when profiles are asked for.
func (s *strand) startProfile(bench string) []string {
	if s.profiles == "" {
		return nil
	}
	return []string{brokerProfile + "=" + filepath.Join(s.profiles, profileName(bench)+"-start.pprof")}
}
