package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

// nodeLine is a node in JSON.
type nodeLine struct {
	Node  string `json:"node"`
	URL   string `json:"url"`
	Alive bool   `json:"alive"`
	Leads int    `json:"leads"`
}

func clusterStatusCommand(s *server) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "status",
		Short: "List the nodes, and whether they are alive",
		Long: `List the nodes that the one that answers has heard of since it started, with the number of shards that each leads, its own catalogue's among them. A
node is alive that was heard of within 3 s. When one is not, the command exits with code 1.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable),
		Example: "  brokerd cluster status\n  brokerd cluster status -o json | jq -r 'select(.alive | not) | .node'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				nodes, err := client.Nodes(ctx)
				if err != nil {
					return err
				}
				rows := newTable(cmd.OutOrStdout(), left("NODE"), left("STATE"), right("LEADS"), left("URL"))
				gone := 0
				for _, n := range nodes {
					if f.json() {
						if err := writeJSON(cmd.OutOrStdout(), nodeLine{Node: n.Name, URL: n.URL, Alive: n.Alive, Leads: n.Leads}); err != nil {
							return err
						}
					}
					state := "alive"
					if !n.Alive {
						state = "gone"
						gone++
					}
					rows.row(n.Name, state, n.Leads, n.URL)
				}
				if !f.json() {
					if err := rows.flush(); err != nil {
						return err
					}
				}
				if gone > 0 {
					return failed(exitError, nil, "%d of %d nodes are gone: look at their logs, and at the network between them", gone, len(nodes))
				}
				return nil
			})
		},
	}
	f.addTo(c)
	return c
}
