package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func groupsListCommand(s *server) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "list",
		Short: "List the consumer groups",
		Long: `List the consumer groups, by name. A group is empty without members, reconciling while partitions are on their way from member to member, and else
stable. LAG is how many records its members have yet to read.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable),
		Example: "  brokerd groups list\n  brokerd groups list -o json | jq -r 'select(.size == 0 and .lag > 0) | .name'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				groups, err := client.Groups(ctx)
				if err != nil {
					return err
				}
				if len(groups) == 0 {
					tell(cmd, "There are no groups yet: the first who joins one makes it.")
				}
				lines, err := groupLines(ctx, client, groups)
				if err != nil {
					return err
				}
				rows := newTable(cmd.OutOrStdout(), left("NAME"), left("STATE"), right("MEMBERS"), right("LAG"), left("TOPICS"))
				for _, line := range lines {
					if f.json() {
						if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
							return err
						}
						continue
					}
					rows.row(line.Name, line.State, line.Size, line.Lag, strings.Join(line.Topics, ","))
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

// groupLines describes groups in short. Those that are gone by now are left out.
func groupLines(ctx context.Context, client *commitlog.Client, groups []commitlog.Group) ([]groupLine, error) {
	index, err := indexTopics(ctx, client)
	if err != nil {
		return nil, err
	}
	lines := make([]groupLine, len(groups))
	err = fanOut(ctx, len(groups), func(ctx context.Context, i int) error {
		g, err := client.Group(ctx, groups[i].Name)
		if errors.Is(err, commitlog.ErrUnknownGroup) {
			return nil
		}
		lines[i] = newGroupLine(g, index.progressOf(g))
		return err
	})
	var there []groupLine
	for _, line := range lines {
		if line.Name != "" {
			there = append(there, line)
		}
	}
	return there, err
}
