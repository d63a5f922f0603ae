// Command chess imports chess games into an embedded broker: one aggregate per game, one event per move, every move checked.
//
//	go run ./examples/chess                      # the games of its own
//	go run ./examples/chess my.pgn other.pgn     # any PGN files
//	go run ./examples/chess -game 3 -move 20     # the board of the third game after 20 half-moves
//	go run ./examples/chess -dir /tmp/chess      # keep the events: a second run finds every game already imported
//
// It exits with 0 when every game of the files is in the log, 1 when one is not (each is reported with its reason), and 2 for flags
// that it does not know.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/strandlog/strand/aggregates"
	"github.com/strandlog/strand/brokerd/broker"
	"github.com/strandlog/strand/eventstore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage): // the flag set has told the user
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "chess:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("unknown flags")

// run imports the games, projects them, and reports. An error that Is errNotImported comes after a complete report.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	flags := flag.NewFlagSet("chess", flag.ContinueOnError)
	flags.SetOutput(stderr)
	dir := flags.String("dir", "", "keep the events in this `folder`; empty: a temporary one")
	game := flags.Int("game", 0, "show the board of this game, counted from 1 over all files")
	move := flags.Int("move", -1, "show the board after so many half-moves; negative: after the last")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	files, err := openFiles(flags.Args())
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }() // only read

	b, err := broker.Start(ctx, broker.Config{Dir: *dir})
	if err != nil {
		return fmt.Errorf("starting the broker: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	store, err := eventstore.Open(ctx, b.Client(), eventstore.Config{}, games)
	if err != nil {
		return fmt.Errorf("opening the store: %w", err)
	}
	repository := aggregates.NewRepository(store, games)

	start := time.Now()
	imported, err := importFiles(ctx, repository, files, newProgress(stderr, files.Bytes()))
	if err != nil {
		return err
	}
	imported.Elapsed = time.Since(start)
	tables, err := project(ctx, store)
	if err != nil {
		return fmt.Errorf("projecting the games: %w", err)
	}
	if err := printReport(stdout, imported, tables); err != nil {
		return err
	}
	if *game != 0 {
		key, err := imported.Key(*game)
		if err != nil {
			return err
		}
		if err := replay(ctx, stdout, repository, key, *move); err != nil {
			return err
		}
	}
	return imported.Err()
}
