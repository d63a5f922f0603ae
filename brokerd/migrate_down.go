package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
)

func migrateDownCommand(d *database) *cobra.Command {
	var f format
	var yes bool
	c := &cobra.Command{
		Use:   "down",
		Short: "Undo the newest migration, with all that was kept by it",
		Long: `Undo the newest migration, with all that is kept in the tables that it made. On a terminal it asks first; elsewhere it wants --yes. Stop the workers before.

When checkpoints are gone, what projections have written stays in their schemas without a place to go on from, and events would have their effect a second time:
drop these schemas, too.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example: "  brokerd migrate down\n  brokerd migrate down --yes   # in a script",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.use(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
				all, err := migrations.Status(ctx, pool)
				if err != nil {
					return err
				}
				var newest *migrations.Version
				for i := range all {
					if !all[i].Applied.IsZero() {
						newest = &all[i]
					}
				}
				shown := shownDatabase(pool.Config().ConnConfig.Config)
				if newest == nil {
					return failed(exitNotFound, nil, "there is no migration to undo in %s", shown)
				}
				if !yes {
					question := fmt.Sprintf("Undo migration %d (%s) in %s, for good? Type the database's name: ", newest.Number, newest.Name, shown)
					if err := confirm(ctx, cmd, question, pool.Config().ConnConfig.Database); err != nil {
						return err
					}
				}
				undone, err := migrations.Down(ctx, pool)
				if err != nil {
					return err
				}
				tell(cmd, "Undid migration %d (%s).", undone.Number, undone.Name)
				if f.json() {
					return writeMigrations(cmd.OutOrStdout(), f, undone)
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.addTo(c)
	return c
}
