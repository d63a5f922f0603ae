package main

import "github.com/spf13/cobra"

func streamsCommand() *cobra.Command {
	var s server
	c := familyCommand(cobra.Command{
		Use:     "streams",
		Short:   "Show event streams: what happened to one aggregate",
		Long:    "Show event streams. A stream is the ordered events of one aggregate, named category-key: account-alice.",
		Example: "  brokerd streams history account-alice",
	}, streamsHistoryCommand(&s))
	s.addTo(c)
	return c
}
