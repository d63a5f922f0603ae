// Command bench measures Strand and its peers side by side on this machine, and prints a table.
//
//	go run ./bench -list
//	go run ./bench -run 'append/cond/.*' -quick
//	go run ./bench -json figures.json
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/strandlog/strand/bench/workload"
)

func main() {
	if served, err := serveBroker(); served {
		exitOn(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exitOn(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func exitOn(err error) {
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// quickly is what -quick allows for everything that is selected; what must be prepared at the end comes on top.
const quickly = 40 * time.Second

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	list := flags.Bool("list", false, "name the benchmarks")
	selection := flags.String("run", "", "run those whose name matches this `regexp`")
	quick := flags.Bool("quick", false, "take about 45 s for all that is selected, with less data and short runs")
	jsonFile := flags.String("json", "", "write the figures to this `file`, one JSON object a line")
	systems := flags.String("systems", "", "measure only the systems that match this `regexp`")
	dir := flags.String("dir", "", "keep data in this `directory` while running; default: one in the system's temporary directory")
	profiles := flags.String("profile", "", "write CPU profiles of Strand's broker and client to this `directory`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*selection)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	only, err := regexp.Compile(*systems)
	if err != nil {
		return fmt.Errorf("-systems: %w", err)
	}
	selected := choose(allRows(), pattern)
	switch {
	case *list:
		return writeList(stdout, selected)
	case len(selected) == 0:
		return fmt.Errorf("no benchmark matches %q: see -list", *selection)
	}
	plan := plan{rows: selected, systems: only, rounds: 5, share: 2 * time.Second, scale: workload.Full()}
	if *quick {
		plan.rounds, plan.limit, plan.scale = 3, quickly, workload.Quick()
	}
	return measureInto(ctx, plan, places{data: *dir, profiles: *profiles, json: *jsonFile}, stdout, stderr)
}

// places are the files and directories that a run uses.
type places struct{ data, profiles, json string }

func measureInto(ctx context.Context, p plan, at places, stdout, stderr io.Writer) (err error) {
	heading := machine(ctx) // now: the commit may change while it runs
	dir, err := os.MkdirTemp(at.data, "strand-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // a database that refuses to run as root must reach its part of it
		return err
	}
	all, err := startSystems(ctx, p.names(), dir, at.profiles, stderr)
	if err != nil {
		return err
	}
	figures, err := p.measure(ctx, all, stderr)
	err = errors.Join(err, all.close())
	// What was measured before something failed is worth keeping.
	err = errors.Join(err, writeTable(stdout, heading, p.rows, figures))
	if at.json != "" {
		err = errors.Join(err, writeJSON(at.json, figures))
	}
	return err
}
