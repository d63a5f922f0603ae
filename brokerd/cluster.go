package main

import (
	"github.com/spf13/cobra"
)

func clusterCommand() *cobra.Command {
	var s server
	c := familyCommand(cobra.Command{
		Use:   "cluster",
		Short: "Show the nodes of a cluster, and who leads what",
		Long: `A cluster is three or five nodes that have copies of topics; any of them answers for all. A single node is a cluster of one. How to run one is in
docs/operating/cluster.md.`,
		Example: "  brokerd cluster status\n  brokerd cluster leaders --server nats://10.0.0.2:4222",
	}, clusterStatusCommand(&s), clusterLeadersCommand(&s))
	s.addTo(c)
	return c
}
