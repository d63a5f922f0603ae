package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsListCommand(s *server) *cobra.Command {
	var f format
	var internal bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the topics",
		Long:    "List the topics, by name.\n\n" + exitHelp(exitOK, exitError, exitUsage, exitUnavailable),
		Example: "  brokerd topics list\n  brokerd topics list -o json | jq -r .name",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				topics, err := client.Topics(ctx)
				if err != nil {
					return err
				}
				topics = shownTopics(topics, internal)
				if len(topics) == 0 {
					tell(cmd, "There are no topics yet: brokerd topics create NAME makes one.")
				}
				return writeTopics(cmd.OutOrStdout(), f, topics...)
			})
		},
	}
	addInternal(c, &internal)
	f.addTo(c)
	return c
}
