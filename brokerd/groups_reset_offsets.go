package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func groupsResetOffsetsCommand(s *server) *cobra.Command {
	var f format
	var q reset
	c := &cobra.Command{
		Use:   "reset-offsets GROUP --topic TOPIC --to PLACE",
		Short: "Set the offsets from which a group reads on",
		Long: `Set the offsets from which a group reads a topic on: further back to have records read again, or further on to pass some over. The answer shows the offsets
as they were and as they are, and how many records are to be read from there on. With --dry-run nothing is changed.

A group that has members is left alone, unless --force is given: then the members that have these partitions begin anew at the new places. What they have in
hand at that moment may be processed again. --create makes a group that is not there yet, to have its first members begin where you want.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound, exitRefused),
		Example: `  brokerd groups reset-offsets dashboard --topic clicks --to earliest --dry-run
  brokerd groups reset-offsets dashboard --topic clicks --to 2h
  brokerd groups reset-offsets dashboard --topic clicks --to 2026-11-23T10:00:00Z --force
  brokerd groups reset-offsets dashboard --topic clicks --partition 3 --to 1207   # behind a record that cannot be processed`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeGroups,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkGroup(args[0]); err != nil {
				return err
			}
			if q.topic == "" {
				return misused("say which topic is to be read from elsewhere: --topic")
			}
			if q.to.text == "" {
				return misused("say where the group is to go on: --to earliest, latest, an offset, an age such as 15m, or a time")
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				return q.run(ctx, cmd, client, args[0], f)
			})
		},
	}
	c.Flags().StringVar(&q.topic, "topic", "", "the `topic`")
	c.Flags().Int32SliceVarP(&q.partitions, "partition", "p", nil, "reset these `partitions` only, such as 3 or 0,2")
	c.Flags().Var(&q.to, "to", "where to go on: earliest, latest, an offset, an age such as 15m, or a time")
	c.Flags().BoolVar(&q.dryRun, "dry-run", false, "show what would be changed, and change nothing")
	c.Flags().BoolVar(&q.force, "force", false, "also of a group that has members")
	c.Flags().BoolVar(&q.create, "create", false, "make the group if it is not there")
	f.addTo(c)
	_ = c.RegisterFlagCompletionFunc("topic", s.completeTopicFlag()) // the flag exists
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]cobra.Completion{fromEarliest, fromLatest}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// reset is where a group is to go on.
type reset struct {
	topic                 string
	partitions            []int32
	to                    origin
	dryRun, force, create bool
}

// resetLine is a partition in JSON.
type resetLine struct {
	Group      string `json:"group,omitempty"` // or a projection
	Projection string `json:"projection,omitempty"`
	Version    int    `json:"version,omitempty"`
	Topic      string `json:"topic"`
	Partition  int32  `json:"partition"`
	From       *int64 `json:"from"` // nil: nothing was committed
	To         int64  `json:"to"`
	Lag        int64  `json:"lag"`
	DryRun     bool   `json:"dryRun"`
}

func (q *reset) run(ctx context.Context, cmd *cobra.Command, client *commitlog.Client, name string, f format) error {
	t, err := client.Topic(ctx, q.topic)
	if err != nil {
		return err
	}
	g, err := client.Group(ctx, name)
	unknown := errors.Is(err, commitlog.ErrUnknownGroup)
	switch {
	case unknown && !q.create:
		return failed(exitNotFound, err, "group %q does not exist: brokerd groups list shows those that do; --create makes it", name)
	case err != nil && !unknown:
		return err
	case g.Size > 0 && !q.force && !q.dryRun:
		return failed(exitRefused, nil, "group %q has %s: stop %s, or add --force: then the new places hold at once; --dry-run shows them", name, counted(g.Size, "member"), them(g.Size))
	}
	lines, err := q.plan(ctx, client, g, t)
	if err != nil {
		return err
	}
	if !q.dryRun {
		offsets := make([]commitlog.GroupOffset, len(lines))
		for i, line := range lines {
			offsets[i] = commitlog.GroupOffset{Topic: t.ID, Partition: line.Partition, Offset: line.To}
		}
		err := client.ResetOffsets(ctx, name, offsets, q.force)
		if errors.Is(err, commitlog.ErrGroupNotEmpty) { // since a moment ago
			return failed(exitRefused, err, "%s, or add --force", plain(err))
		}
		if err != nil {
			return err
		}
	}
	rows := newTable(cmd.OutOrStdout(), right("PARTITION"), right("FROM"), right("TO"), right("LAG"))
	for _, line := range lines {
		line.Group, line.Topic, line.DryRun = name, t.Name, q.dryRun
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
	q.tell(cmd, name, g.Size)
	return nil
}

func (q *reset) tell(cmd *cobra.Command, name string, members int) {
	switch {
	case q.dryRun && members > 0 && !q.force:
		tell(cmd, "Nothing is changed: this is a dry run. Group %s has %s: without --force it is refused.", name, counted(members, "member"))
	case q.dryRun:
		tell(cmd, "Nothing is changed: this is a dry run.")
	default:
		tell(cmd, "Reset group %s.", name)
	}
}

// refuseProducerTime says that no place of a topic belongs to a time.
func refuseProducerTime(t commitlog.Topic) error {
	return failed(exitRefused, nil, "topic %q keeps the times that its producers give, which are in no order: begin at earliest, latest, or an offset", t.Name)
}

// plan finds the new places.
func (q *reset) plan(ctx context.Context, client *commitlog.Client, g commitlog.Group, t commitlog.Topic) ([]resetLine, error) {
	places := consumption{from: q.to, partitions: q.partitions}
	if t.ProducerTime && q.to.time != nil {
		return nil, refuseProducerTime(t)
	}
	wanted, err := places.wanted(t)
	if err != nil {
		return nil, err
	}
	for _, partition := range wanted {
		if p := t.Partitions[partition]; p.State != commitlog.Serving {
			return nil, failed(exitUnavailable, nil, "partition %d of topic %q is %s %s: try again when it serves", partition, t.Name, p.State, p.Detail)
		}
	}
	lines := make([]resetLine, len(wanted))
	err = fanOut(ctx, len(wanted), func(ctx context.Context, i int) error {
		to, err := q.to.at(ctx, client, t, wanted[i])
		if err != nil {
			return err
		}
		p := t.Partitions[wanted[i]]
		to = max(to, p.Start) // of Earliest
		lines[i] = resetLine{Partition: wanted[i], To: to, Lag: p.End - to}
		at := slices.IndexFunc(g.Offsets, func(o commitlog.GroupOffset) bool { return o.Topic == t.ID && o.Partition == wanted[i] })
		if at >= 0 && g.Offsets[at].Offset != commitlog.NoOffset {
			lines[i].From = &g.Offsets[at].Offset
		}
		return nil
	})
	return lines, err
}
