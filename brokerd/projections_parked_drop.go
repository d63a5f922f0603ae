package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/connectors/postgres"
)

func projectionsParkedDropCommand(d *database) *cobra.Command {
	var f format
	var v versionFlag
	var of parkedStream
	var yes bool
	c := &cobra.Command{
		Use:   "drop NAME --stream STREAM",
		Short: "Forget the parked events of a stream: they never have their effect",
		Long: `Forget the parked events of a stream, also those that were skipped: they never have their effect on the read model, unless it is rebuilt. The next events of the stream do
again. The log keeps all of them. On a terminal it asks first; elsewhere it wants --yes.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections parked drop balances --stream account-alice",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: d.completeProjections,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := of.check(); err != nil {
				return err
			}
			return d.useMigrated(cmd, func(ctx context.Context, pool *pgxpool.Pool) error {
				o, err := v.find(ctx, pool, args[0])
				if err != nil {
					return err
				}
				events, err := of.of(ctx, pool, o.ID)
				if err != nil {
					return err
				}
				if len(events) == 0 {
					return of.none(o.ID)
				}
				if !yes {
					question := fmt.Sprintf("Have %s of stream %s never have their effect on %s? Type the stream's name: ", counted(len(events), "event"), cell([]byte(of.stream)), o.ID)
					if err := confirm(ctx, cmd, question, of.stream); err != nil {
						return err
					}
				}
				n, err := postgres.Drop(ctx, pool, o.ID, of.stream)
				if err != nil {
					return err
				}
				tell(cmd, "Dropped %s of stream %s.", counted(n, "event"), cell([]byte(of.stream)))
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), parkedAnswer{o.ID.Name, o.ID.Version, of.stream, n})
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	of.addTo(c, "the `stream`")
	v.addTo(c)
	f.addTo(c)
	return c
}
