package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/strandlog/strand/bench/workload"
)

// plan is what to measure, and how long.
type plan struct {
	rows    []row
	systems *regexp.Regexp
	rounds  int
	share   time.Duration // of one run, at most
	limit   time.Duration // of all runs; 0: none
	scale   workload.Scale
}

// names are the systems that take part, ours first.
func (p plan) names() []string {
	var names []string
	for _, r := range p.rows {
		for _, name := range append([]string{ours}, r.peers...) {
			if p.systems.MatchString(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// tally collects the runs of one row on one system.
type tally struct {
	turn    turn
	results []workload.Result
	skipped string
}

// measure runs the plan. A peer that fails is skipped with the reason from then on; a failure of ours ends it.
func (p plan) measure(ctx context.Context, systems systems, progress io.Writer) (figures, error) {
	began := time.Now()
	allowed := budget{most: p.share}
	if p.limit > 0 {
		allowed.deadline = began.Add(p.limit)
	}
	var tallies []*tally
	turns := schedule(p.rows, p.rounds, p.systems.MatchString)
	for i, turn := range turns {
		t := find(&tallies, turn)
		if t.skipped != "" {
			continue
		}
		settle()
		task := workload.Task{Bench: turn.row.name, For: allowed.share(time.Now(), len(turns)-i), Scale: p.scale}
		result, err := systems.run(ctx, turn, task)
		report := func(outcome string) {
			// Nobody misses a line of progress.
			_, _ = fmt.Fprintf(progress, "%6.1fs  %d/%d  %s  %s  %s\n", time.Since(began).Seconds(), i+1, len(turns), turn.row.name, turn.system, outcome)
		}
		var absent *absentError
		switch {
		case errors.As(err, &absent) && ctx.Err() == nil:
			t.skipped, t.results = absent.reason, nil
			report("skipped: " + absent.reason)
			continue
		case err != nil:
			return collect(tallies), fmt.Errorf("%s on %s: %w", turn.row.name, turn.system, err)
		}
		t.results = append(t.results, result)
		report(texts(result.Values) + "  " + result.Note)
	}
	return collect(tallies), nil
}

func find(tallies *[]*tally, turn turn) *tally {
	for _, t := range *tallies {
		if t.turn.row.name == turn.row.name && t.turn.system == turn.system {
			return t
		}
	}
	t := &tally{turn: turn}
	*tallies = append(*tallies, t)
	return t
}

func collect(tallies []*tally) figures {
	var all figures
	for _, t := range tallies {
		for i, c := range t.turn.row.columns {
			f := figure{Bench: t.turn.row.bench(c), System: t.turn.system, Unit: c.unit, Skipped: t.skipped}
			for _, r := range t.results {
				f.Runs = append(f.Runs, r.Values[i])
			}
			if len(f.Runs) > 0 {
				f.Value = median(f.Runs)
				f.Note = t.results[nearest(f.Runs, f.Value)].Note
			}
			if len(f.Runs) > 0 || f.Skipped != "" {
				all = append(all, f)
			}
		}
	}
	return all
}

// nearest is the run whose note stands for all.
func nearest(runs []float64, value float64) int {
	best := 0
	for i, run := range runs {
		if abs(run-value) < abs(runs[best]-value) {
			best = i
		}
	}
	return best
}

func abs(x float64) float64 { return max(x, -x) }
