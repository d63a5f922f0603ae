package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/projections"
)

func projectionsPauseCommand(at *modelPlace) *cobra.Command {
	return pausingCommand(at, cobra.Command{
		Use:   "pause NAME",
		Short: "Have a projection commit nothing until it is resumed",
		Long: `Have a projection commit nothing until it is resumed. Its workers stay, and try again every few seconds; readers see what was committed last.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitPending),
		Example: "  brokerd projections pause balances",
	}, projections.Admin.Pause, "Projection %s is paused: brokerd projections resume has it go on.")
}

func projectionsResumeCommand(at *modelPlace) *cobra.Command {
	return pausingCommand(at, cobra.Command{
		Use:   "resume NAME",
		Short: "Have a projection that was paused go on",
		Long: `Have a projection that was paused go on. Its workers do within some five seconds.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitPending),
		Example: "  brokerd projections resume balances",
	}, projections.Admin.Resume, "Projection %s goes on.")
}

func pausingCommand(at *modelPlace, c cobra.Command, do func(projections.Admin, context.Context, projections.ID) error, done string) *cobra.Command {
	var v versionFlag
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), at.complete
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return at.use(cmd, func(ctx context.Context, m readModels) error {
			o, err := v.find(ctx, m, args[0])
			if err != nil {
				return err
			}
			if err := do(m, ctx, o.ID); err != nil {
				return err
			}
			tell(cmd, done, o.ID)
			return nil
		})
	}
	v.addTo(&c)
	return &c
}
