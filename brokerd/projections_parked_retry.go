package main

import (
	"context"

	"github.com/spf13/cobra"
)

func projectionsParkedRetryCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	var of parkedStream
	c := &cobra.Command{
		Use:   "retry NAME --stream STREAM",
		Short: "Have a worker try the parked events of a stream again",
		Long: `Ask for another attempt at the parked events of a stream. The worker that has their partition makes it, from the first one on, within a second or so; without a worker
it is made when one begins. What is handled is parked no more; at the first that is refused again the others go on waiting. Events that were skipped are not tried.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections parked retry balances --stream account-alice\n  brokerd projections parked list balances   # what became of it",
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
				n, err := m.Retry(ctx, o.ID, of.stream)
				if err != nil {
					return err
				}
				if n == 0 {
					events, err := of.of(ctx, m, o.ID)
					if err == nil && len(events) > 0 {
						return failed(exitRefused, nil, "the events of stream %q were skipped, and are not tried again: brokerd projections parked drop forgets them", of.stream)
					}
					if err == nil {
						err = of.none(o.ID)
					}
					return err
				}
				tell(cmd, "Asked for another attempt at %s of stream %s: a worker makes it within a second or so.", counted(n, "event"), cell([]byte(of.stream)))
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), parkedAnswer{o.ID.Name, o.ID.Version, of.stream, n})
				}
				return nil
			})
		},
	}
	of.addTo(c, "the `stream`")
	v.addTo(c)
	f.addTo(c)
	return c
}
