package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

func projectionsSwitchCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	c := &cobra.Command{
		Use:   "switch NAME --version N",
		Short: "Have readers see another version of a projection",
		Long: `Have readers see another version of a projection: the views of the schema NAME show its tables from then on, all of them at once. What was granted on
them, and what is built on them, stays while the columns are the same. Switching back is the same with the other number.

It says how many records the new version is behind the one that was live. Both go on, as long as they have workers.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections status balances --version 2   # has it caught up?\n  brokerd projections switch balances --version 2",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.version < 1 {
				return misused("say which version readers are to see: --version")
			}
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				if m.database == nil {
					return failed(exitRefused, nil, "read models in the log have no views that could be switched: readers name the version that they read")
				}
				to, err := v.find(ctx, m, args[0])
				if err != nil {
					return err
				}
				versions, err := versionsOf(ctx, m, args[0])
				if err != nil {
					return err
				}
				line := switchLine{Name: to.ID.Name, Version: to.ID.Version}
				for _, was := range versions {
					if was.Live {
						line.Was, line.Behind = was.ID.Version, behind(to, was)
					}
				}
				if err := m.database.Switch(ctx, to.ID); err != nil {
					return err
				}
				tell(cmd, "The views of schema %s show version %d.", postgres.Views(to.ID.Name), to.ID.Version)
				if line.Behind > 0 {
					tell(cmd, "It is %s behind version %d, which they showed before.", counted(line.Behind, "record"), line.Was)
				}
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), line)
				}
				return nil
			})
		},
	}
	v.addTo(c)
	f.addTo(c)
	return c
}

// switchLine is a switch in JSON.
type switchLine struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Was     int    `json:"was"`    // 0: none
	Behind  int64  `json:"behind"` // records that the version before has passed, and this one has not
}

// behind is how many records one version has passed and another has not. Of different logs that cannot be told: 0.
func behind(a, b projections.Overview) (records int64) {
	if a.Source.LogID != b.Source.LogID && len(a.Partitions) > 0 {
		return 0
	}
	next := map[int32]int64{}
	for _, p := range a.Partitions {
		next[p.Partition] = p.Next
	}
	for _, p := range b.Partitions {
		records += max(p.Next-next[p.Partition], 0)
	}
	return records
}
