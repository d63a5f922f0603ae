package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/migrations"
)

func migrateUpCommand(d *database) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "up",
		Short: "Do the migrations that are pending",
		Long: `Do the migrations that are pending, and show those that were done. Where none is, nothing happens: a deployment may begin with it. The role of the connection
must be permitted to create a schema.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example: "  brokerd migrate up --database postgres://user@host:5432/name\n  BROKERD_DATABASE=postgres://... brokerd migrate up -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.use(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
				done, err := migrations.Migrate(ctx, pool)
				if len(done) > 0 || err == nil && f.json() {
					if err := writeMigrations(cmd.OutOrStdout(), f, done...); err != nil {
						return err
					}
				}
				if err != nil {
					return err
				}
				shown := shownDatabase(pool.Config().ConnConfig.Config)
				if len(done) == 0 {
					tell(cmd, "Nothing to do: %s is up to date.", shown)
					return nil
				}
				tell(cmd, "Did %s: %s is up to date.", counted(len(done), "migration"), shown)
				return nil
			})
		},
	}
	f.addTo(c)
	return c
}
