package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/projections"
)

func projectionsResetCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	var q reset
	c := &cobra.Command{
		Use:   "reset NAME --to PLACE",
		Short: "Have a projection go on from another place of the log",
		Long: `Have a projection go on from another place of the log. What is in the read model stays: of what lies between, events that are passed again have their effects
once more, and those that are passed over never have any. To make a read model anew, run the projection under a new version, or call projections.Rebuild.

Workers begin at the new places at once. With --dry-run nothing is changed.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example: `  brokerd projections reset balances --to earliest --dry-run
  brokerd projections reset balances --partition 3 --to 1207
  brokerd projections reset balances --to 2026-11-23T10:00:00Z`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.to.text == "" {
				return misused("say where the projection is to go on: --to earliest, latest, an offset, an age such as 15m, or a time")
			}
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				o, err := v.find(ctx, m, args[0])
				if err != nil {
					return err
				}
				return at.server.ask(ctx, func(client *commitlog.Client) error { return q.project(ctx, cmd, client, m, o, f) })
			})
		},
	}
	c.Flags().Int32SliceVarP(&q.partitions, "partition", "p", nil, "reset these `partitions` only, such as 3 or 0,2")
	c.Flags().Var(&q.to, "to", "where to go on: earliest, latest, an offset, an age such as 15m, or a time")
	c.Flags().BoolVar(&q.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	v.addTo(c)
	f.addTo(c)
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]cobra.Completion{fromEarliest, fromLatest}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return c
}

// project sets the checkpoints of a projection version.
func (q *reset) project(ctx context.Context, cmd *cobra.Command, client *commitlog.Client, m readModels, o projections.Overview, f format) error {
	t, why, err := sourceOf(o.Source, func(name string) (commitlog.Topic, error) { return client.Topic(ctx, name) })
	switch {
	case err != nil:
		return err
	case why != "":
		return failed(exitRefused, nil, "projection %s cannot be reset: %s", o.ID, why)
	}
	was := commitlog.Group{}
	for _, p := range o.Partitions {
		was.Offsets = append(was.Offsets, commitlog.GroupOffset{Topic: t.ID, Partition: p.Partition, Offset: p.Next})
	}
	lines, err := q.plan(ctx, client, was, t)
	if err != nil {
		return err
	}
	for _, line := range lines {
		if line.From == nil { // so that nothing is changed of the others either
			return failed(exitNotFound, nil, "no worker has claimed partition %d of projection %s: start one, or name the partitions to reset with --partition", line.Partition, o.ID)
		}
	}
	rows := newTable(cmd.OutOrStdout(), right("PARTITION"), right("FROM"), right("TO"), right("LAG"))
	next := map[int32]int64{}
	for _, line := range lines {
		next[line.Partition] = line.To
		line.Projection, line.Version, line.Topic, line.DryRun = o.ID.Name, o.ID.Version, t.Name, q.dryRun
		if f.json() {
			if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
				return err
			}
			continue
		}
		rows.row(line.Partition, number(line.From), line.To, line.Lag)
	}
	if !f.json() {
		if err := rows.flush(); err != nil {
			return err
		}
	}
	if q.dryRun {
		tell(cmd, "Nothing is changed: this is a dry run.")
		return nil
	}
	if err := m.SetCheckpoints(ctx, o.ID, next); err != nil {
		return err
	}
	again := make([]commitlog.GroupOffset, len(t.Partitions)) // workers that have nothing to commit would not notice
	for p := range again {
		again[p] = commitlog.GroupOffset{Topic: t.ID, Partition: int32(p), Offset: commitlog.NoOffset}
	}
	group, err := projections.Group(ctx, o.ID, m.Admin)
	if err != nil {
		return err
	}
	if err := client.ResetOffsets(ctx, group, again, true); err != nil && !errors.Is(err, commitlog.ErrUnknownGroup) {
		return err
	}
	tell(cmd, "Projection %s goes on from there, as soon as it has workers.", o.ID)
	return nil
}
