package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
)

func projectionsListCommand(at *modelPlace) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "list",
		Short: "List the projections of a database, or of the log",
		Long: `List the projections of a database, or of the log, each version by itself. Readers of a database see the LIVE one. CHECKPOINT is how many records it has passed, over all partitions;
PARKED is how many events wait because one could not be handled.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example: "  brokerd projections list --database postgres://user@host:5432/name\n  brokerd projections list -o json | jq -r 'select(.parked > 0) | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				all, err := m.List(ctx)
				if err != nil {
					return err
				}
				if len(all) == 0 {
					tell(cmd, "There are no projections in %s yet: the first worker of one makes it.", m.at)
				}
				rows := newTable(cmd.OutOrStdout(), left("NAME"), right("VERSION"), left("LIVE"), left("TOPIC"), right("PARTITIONS"), right("CHECKPOINT"), right("PARKED"), left("UPDATED"))
				for _, o := range all {
					line := m.line(o)
					if f.json() {
						if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
							return err
						}
						continue
					}
					live := "no"
					switch {
					case m.database == nil:
						live = "-"
					case line.Live:
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
