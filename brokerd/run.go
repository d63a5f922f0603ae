package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
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
	return exitCode(err, *began)
}

// rootCommand also tells whether a command has begun: an error before that is one of usage.
func rootCommand(program string) (root *cobra.Command, began *bool) {
	began = new(bool)
	root = &cobra.Command{
		Use:   "brokerd",
		Short: "Run a Strand node, and look after one",
		Long: `brokerd runs a Strand node: the log that keeps events, and everything in front of it. It also is the operator's tool for a node that runs.

What a command answers goes to stdout, progress and errors go to stderr. With -o json an answer is JSON, one object a line.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitGaveUp, exitUnavailable, exitNotFound, exitRefused, exitUnwell, exitPending),
		Example:       "  brokerd dev\n  brokerd serve -c brokerd.yaml\n  brokerd topics list\n  brokerd events tail --follow",
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			*began = true
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, c.CommandPath())
	})
	const running, operating, projecting = "running", "operating", "projecting"
	root.AddGroup(&cobra.Group{ID: running, Title: "A node:"}, &cobra.Group{ID: operating, Title: "What it holds:"}, &cobra.Group{ID: projecting, Title: "Read models in PostgreSQL:"})
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(running, devCommand(program), serveCommand(), verifyCommand(), backupCommand(), restoreCommand())
	add(operating, topicsCommand(), groupsCommand(), eventsCommand(), streamsCommand(), clusterCommand(), doctorCommand())
	add(projecting, projectionsCommand(), migrateCommand())
	root.AddCommand(versionCommand())
	return root, began
}

// familyCommand is a noun whose verbs are commands of their own. Alone it shows its help.
func familyCommand(c cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q for %q: see %[2]s --help", args[0], cmd.CommandPath())
		if cmd.SuggestionsMinimumDistance == 0 {
			cmd.SuggestionsMinimumDistance = 2 // as cobra does for the root
		}
		if meant := cmd.SuggestionsFor(args[0]); len(meant) > 0 {
			text += "\n  did you mean: " + strings.Join(meant, ", ")
		}
		return misused("%s", text)
	}
	c.AddCommand(verbs...)
	return &c
}
