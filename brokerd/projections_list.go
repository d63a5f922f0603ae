package main

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/connectors/postgres"
)

func projectionsListCommand(d *database) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "list",
		Short: "List the projections of a database",
		Long: `List the projections of a database, each version by itself. Readers see the LIVE one. CHECKPOINT is how many records it has passed, over all partitions;
PARKED is how many events wait because one could not be handled.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example: "  brokerd projections list --database postgres://user@host:5432/name\n  brokerd projections list -o json | jq -r 'select(.parked > 0) | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return d.useMigrated(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
				all, err := postgres.List(ctx, pool)
				if err != nil {
					return err
				}
				if len(all) == 0 {
					tell(cmd, "There are no projections in %s yet: the first worker of one makes it.", shownDatabase(pool.Config().ConnConfig.Config))
				}
				rows := newTable(cmd.OutOrStdout(), left("NAME"), right("VERSION"), left("LIVE"), left("TOPIC"), right("PARTITIONS"), right("CHECKPOINT"), right("PARKED"), left("UPDATED"))
				for _, o := range all {
					line := newProjectionLine(o)
					if f.json() {
						if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
							return err
						}
						continue
					}
					live := "no"
					if line.Live {
						live = "yes"
					}
					rows.row(cell([]byte(line.Name)), line.Version, live, cmp.Or(line.Topic, "-"), len(line.Partitions), line.Checkpoint, line.Parked, shownInstant(line.Updated))
				}
				if f.json() {
					return nil
				}
				return rows.flush()
			})
		},
	}
	f.addTo(c)
	return c
}
