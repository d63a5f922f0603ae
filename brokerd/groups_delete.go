package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func groupsDeleteCommand(s *server) *cobra.Command {
	var f format
	var yes bool
	c := &cobra.Command{
		Use:   "delete GROUP",
		Short: "Delete a consumer group with its committed offsets, for good",
		Long: `Delete a consumer group with its committed offsets, for good. On a terminal it asks first; elsewhere it wants --yes. A group that has members is refused. Who
joins a group of that name later begins as in a new one.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example:           "  brokerd groups delete dashboard\n  brokerd groups delete dashboard --yes   # in a script",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkGroup(args[0]); err != nil {
				return err
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				g, err := client.Group(ctx, args[0])
				if err != nil {
					return err
				}
				if g.Size > 0 {
					return failed(exitRefused, nil, "group %q has %s: stop %s first; brokerd groups describe %[1]s shows %[3]s", g.Name, counted(g.Size, "member"), them(g.Size))
				}
				index, err := indexTopics(ctx, client)
				if err != nil {
					return err
				}
				if !yes {
					question := fmt.Sprintf("Delete group %s with its offsets in %s, for good? Type its name: ", g.Name, counted(len(g.Offsets), "partition"))
					if err := confirm(ctx, cmd, question, g.Name); err != nil {
						return err
					}
				}
				if err := client.DeleteGroup(ctx, g.Name); err != nil {
					return err
				}
				tell(cmd, "Deleted group %s.", g.Name)
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), newGroupLine(g, index.progressOf(g)))
				}
				return nil
			})
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.addTo(c)
	return c
}
