package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

func projectionsPauseCommand(d *database) *cobra.Command {
	return pausingCommand(d, cobra.Command{
		Use:   "pause NAME",
		Short: "Have a projection commit nothing until it is resumed",
		Long: `Have a projection commit nothing until it is resumed. Its workers stay, and try again every few seconds; readers see what was committed last.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitPending),
		Example: "  brokerd projections pause balances",
	}, postgres.Pause, "Projection %s is paused: brokerd projections resume has it go on.")
}

func projectionsResumeCommand(d *database) *cobra.Command {
	return pausingCommand(d, cobra.Command{
		Use:   "resume NAME",
		Short: "Have a projection that was paused go on",
		Long: `Have a projection that was paused go on. Its workers do within some five seconds.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitPending),
		Example: "  brokerd projections resume balances",
	}, postgres.Resume, "Projection %s goes on.")
}

func pausingCommand(d *database, c cobra.Command, do func(context.Context, *pgxpool.Pool, projections.ID) error, done string) *cobra.Command {
	var v versionFlag
	c.Args, c.ValidArgsFunction = cobra.ExactArgs(1), d.completeProjections
	c.RunE = func(cmd *cobra.Command, args []string) error {
		return d.useMigrated(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
			o, err := v.find(ctx, pool, args[0])
			if err != nil {
				return err
			}
			if err := do(ctx, pool, o.ID); err != nil {
				return err
			}
			tell(cmd, done, o.ID)
			return nil
		})
	}
	v.addTo(&c)
	return &c
}
