package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/broker"
)

// Exit codes. A node that a second signal stopped exits with 128 and the signal's number.
const (
	exitOK     = 0
	exitError  = 1
	exitUsage  = 2
	exitDamage = 3 // verify and restore: damage was found
	exitGaveUp = 4 // the node's disk fails: trying again at once will not help
)

// run is the whole program: args begins with the program's name, and the answer is the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root, began := rootCommand(args[0])
	root.SetArgs(args[1:])
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintln(stderr, "brokerd:", err) // there is nowhere else to say it
	abandoned, usage := new(abandonedError), new(usageError)
	switch {
	case errors.As(err, &abandoned):
		if s, ok := abandoned.signal.(syscall.Signal); ok {
			return 128 + int(s)
		}
	case !*began || errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errDamage), errors.Is(err, broker.ErrBackupDamaged):
		return exitDamage
	case errors.Is(err, broker.ErrGaveUp):
		return exitGaveUp
	}
	return exitError
}

// rootCommand also tells whether a command has begun: an error before that is one of usage.
func rootCommand(program string) (root *cobra.Command, began *bool) {
	began = new(bool)
	root = &cobra.Command{
		Use:           "brokerd",
		Short:         "Run a Strand node",
		Long:          "brokerd runs a Strand node: the log that keeps events, and everything in front of it.",
		Example:       "  brokerd dev\n  brokerd serve -c brokerd.yaml",
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			*began = true
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, c.CommandPath())
	})
	root.AddCommand(devCommand(program), serveCommand(), verifyCommand(), backupCommand(), restoreCommand(), versionCommand())
	return root, began
}

// usageError is what the user has to correct before trying again.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
