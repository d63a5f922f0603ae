package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsDescribeCommand(s *server) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "describe TOPIC",
		Short: "Describe a topic and its partitions",
		Long: `Describe a topic, and of each partition: the node that leads it, its state, its epoch, and its offsets. START is the first offset that it holds, END the
one that the next record gets. A partition that is not serving says why.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound),
		Example:           "  brokerd topics describe events\n  brokerd topics describe events -o json | jq '.partitions[] | select(.state != \"serving\")'",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeTopics(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), newTopicLine(t))
				}
				return describeTopic(cmd.OutOrStdout(), t)
			})
		},
	}
	f.addTo(c)
	return c
}

func describeTopic(w io.Writer, t commitlog.Topic) error {
	times := "when they were stored"
	if t.ProducerTime {
		times = "what their producers say"
	}
	line := newTopicLine(t)
	facts := [][2]string{
		{"Name", t.Name}, {"Kind", string(t.Kind)}, {"Id", t.ID.String()}, {"Log", t.LogID.String()}, {"Created", shownTime(t.Created)},
		{"Shards", fmt.Sprint(t.Shards)}, {"Replicas", fmt.Sprintf("%d, at least %d in sync", t.Replicas, t.MinInSync)}, {"Keeps", kept(t)}, {"Times", times}, {"State", line.State}, {"Records", fmt.Sprint(line.Records)},
	}
	if err := writeFacts(w, facts); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	rows := newTable(w, right("PARTITION"), left("LEADER"), left("STATE"), right("EPOCH"), right("START"), right("END"), right("RECORDS"))
	var details []string
	for _, p := range line.Partitions {
		rows.row(p.Partition, p.Leader, p.State, p.Epoch, p.Start, p.End, p.End-p.Start)
		if p.Detail != "" {
			details = append(details, fmt.Sprintf("partition %d is %s: %s\n", p.Partition, p.State, p.Detail))
		}
	}
	if err := rows.flush(); err != nil || len(details) == 0 {
		return err
	}
	_, err := io.WriteString(w, "\n"+strings.Join(details, ""))
	return err
}

// writeFacts writes what belongs to one thing, a fact a line. Those that are empty are left out.
func writeFacts(w io.Writer, facts [][2]string) error {
	width := 0
	for _, f := range facts {
		width = max(width, len(f[0]))
	}
	var b strings.Builder
	for _, f := range facts {
		if f[1] != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, f[0], f[1])
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
