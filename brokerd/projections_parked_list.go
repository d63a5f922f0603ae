package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
)

func projectionsParkedListCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	var of parkedStream
	c := &cobra.Command{
		Use:   "list NAME",
		Short: "List the parked events of a projection",
		Long: `List the parked events of a version of a projection, by partition and offset. STATE says what an event waits for: it was refused, it is behind one of its stream that
was, or another attempt was asked for (retry). What was skipped is there for the record. ATTEMPTS counts those that were asked for, and failed.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections parked list balances\n  brokerd projections parked list balances -o json | jq -r 'select(.state == \"refused\") | .stream'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
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
					tell(cmd, "Projection %s has no parked events.", o.ID)
				}
				rows := newTable(cmd.OutOrStdout(), left("POSITION"), left("STREAM"), left("TYPE"), left("STATE"), right("ATTEMPTS"), left("PARKED"), left("REASON"))
				for _, e := range events {
					line := newParkedLine(o, e)
					if f.json() {
						if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
							return err
						}
						continue
					}
					rows.row(line.Position, cell([]byte(line.Stream)), cell([]byte(line.Type)), line.State, line.Attempts, shownTime(line.Parked), cmp.Or(cell([]byte(line.cause())), "-"))
				}
				if f.json() {
					return nil
				}
				return rows.flush()
			})
		},
	}
	of.addTo(c, "only those of this `stream`")
	v.addTo(c)
	f.addTo(c)
	return c
}
