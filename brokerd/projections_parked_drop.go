package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func projectionsParkedDropCommand(at *modelPlace) *cobra.Command {
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
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := of.check(); err != nil {
				return err
			}
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				o, err := v.find(ctx, m, args[0])
				if err != nil {
					return err
				}
				events, err := of.of(ctx, m, o.ID)
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
				n, err := m.Drop(ctx, o.ID, of.stream)
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
