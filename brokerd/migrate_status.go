package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
)

func migrateStatusCommand(d *database) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "status",
		Short: "List the migrations, and which are pending",
		Long: `List the migrations that this version of brokerd knows, with the times at which they were done, or that they are pending. It changes nothing. When something is
pending it exits with a code of its own.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example: "  brokerd migrate status\n  brokerd migrate status -o json | jq 'select(.applied == null)'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.use(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
				all, err := migrations.Status(ctx, pool)
				if err != nil {
					return err
				}
				if err := writeMigrations(cmd.OutOrStdout(), f, all...); err != nil {
					return err
				}
				pending := 0
				for _, v := range all {
					if v.Applied.IsZero() {
						pending++
					}
				}
				if pending > 0 {
					return &migrations.PendingError{Database: pool.Config().ConnConfig.Database, Pending: pending}
				}
				return nil
			})
		},
	}
	f.addTo(c)
	return c
}
