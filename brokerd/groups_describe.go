package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func groupsDescribeCommand(s *server) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "describe GROUP",
		Short: "Describe a consumer group, its members, and how far it has read",
		Long: `Describe a consumer group: its members with the partitions that each has, and of each partition of its topics the offset from which the group reads on.
LAG is how many records there are to be read, and BEHIND how long the first of them has been there.

COMMITTED is - where the group has committed nothing: it begins with the first record there, unless its members say otherwise.

A member is stable, unrevoked while it has partitions that it has to give up, unreleased while it waits for such, standby when there are not enough for it,
or away: an instance that comes back. HEARD is how long ago it was heard.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound),
		Example:           "  brokerd groups describe dashboard\n  brokerd groups describe dashboard -o json | jq '.partitions | map(.lag) | add'",
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
				index, err := indexTopics(ctx, client)
				if err != nil {
					return err
				}
				all := index.progressOf(g)
				if err := index.age(ctx, client, all); err != nil {
					return err
				}
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), index.detail(g, all))
				}
				return describeGroup(cmd.OutOrStdout(), index.detail(g, all))
			})
		},
	}
	f.addTo(c)
	return c
}

func describeGroup(w io.Writer, g groupDetail) error {
	err := writeFacts(w, [][2]string{
		{"Name", g.Name}, {"State", g.State}, {"Members", fmt.Sprint(g.Size)}, {"Topics", strings.Join(g.Topics, ", ")}, {"Lag", counted(g.Lag, "record")},
	})
	if err == nil && len(g.Members) > 0 {
		err = describeMembers(w, g.Members)
	}
	if err != nil || len(g.Partitions) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	rows := newTable(w, left("TOPIC"), right("PARTITION"), right("COMMITTED"), right("END"), right("LAG"), right("BEHIND"), left("MEMBER"))
	var details []string
	for _, p := range g.Partitions {
		behind, member := "-", "-"
		if p.LagMS != nil {
			behind = shownSpan(time.Duration(*p.LagMS) * time.Millisecond)
		}
		if p.Member != nil {
			member = p.Member.String()[:8]
		}
		topic := cmp.Or(p.Topic, p.TopicID.String())
		rows.row(topic, p.Partition, number(p.Committed), number(p.End), number(p.Lag), behind, member)
		switch {
		case p.State == commitlog.Serving && p.Detail != "":
			details = append(details, fmt.Sprintf("partition %d of topic %s: %s\n", p.Partition, topic, p.Detail))
		case p.State != commitlog.Serving:
			details = append(details, strings.TrimSuffix(fmt.Sprintf("partition %d of topic %s is %s: %s", p.Partition, topic, p.State, p.Detail), ": ")+"\n")
		}
	}
	if err := rows.flush(); err != nil || len(details) == 0 {
		return err
	}
	_, err = io.WriteString(w, "\n"+strings.Join(details, ""))
	return err
}

func describeMembers(w io.Writer, members []memberLine) error {
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	rows := newTable(w, left("MEMBER"), left("INSTANCE"), left("CLIENT"), left("HOST"), left("STATE"), right("HEARD"), left("PARTITIONS"))
	for _, m := range members {
		has := cmp.Or(shownAssignments(m.Assigned), "-")
		if len(m.Revoked) > 0 {
			has += " (gives up " + shownAssignments(m.Revoked) + ")"
		}
		rows.row(m.ID, cmp.Or(m.Instance, "-"), cell([]byte(m.Client)), cell([]byte(m.Host)), m.State, shownSpan(time.Since(m.Heard)), has)
	}
	return rows.flush()
}

// number is a cell that may have none.
func number(n *int64) any {
	if n == nil {
		return "-"
	}
	return *n
}
