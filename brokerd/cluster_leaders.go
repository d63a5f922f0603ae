package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

// leaderLine is a partition with its leader and its copies in JSON.
type leaderLine struct {
	Topic     string        `json:"topic"`
	Partition int           `json:"partition"`
	Leader    string        `json:"leader"`
	State     string        `json:"state"`
	Epoch     uint64        `json:"epoch"`
	Replicas  []replicaLine `json:"replicas"`
}

type replicaLine struct {
	Node   string `json:"node"`
	Alive  bool   `json:"alive"`
	InSync bool   `json:"inSync"`
	Lag    int64  `json:"lag"`   // records, of the whole shard; -1: not known
	LagMS  int64  `json:"lagMs"` // -1: not known
}

func newReplicaLines(p commitlog.PartitionInfo) []replicaLine {
	lines := make([]replicaLine, 0, len(p.Replicas))
	for _, r := range p.Replicas {
		line := replicaLine{Node: r.Node, Alive: r.Alive, InSync: r.InSync, Lag: r.Lag, LagMS: r.LagTime.Milliseconds()}
		if r.LagTime < 0 {
			line.LagMS = -1
		}
		lines = append(lines, line)
	}
	return lines
}

func clusterLeadersCommand(s *server) *cobra.Command {
	var f format
	var internal bool
	c := &cobra.Command{
		Use:   "leaders [TOPIC]",
		Short: "List the partitions with their leaders and copies",
		Long: `List the partitions of one topic, or of all, each with the node that leads it and the nodes that have copies. IN SYNC are copies that were heard of
lately and lack no more than is on its way at any time; the others are listed as BEHIND, with the records that they lack and how much older their newest
one is, where their nodes say that. A single node has no copies to list.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound),
		Example:           "  brokerd cluster leaders\n  brokerd cluster leaders events -o json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: s.completeTopics(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				topics, err := topicsNamed(ctx, client, args, internal)
				if err != nil {
					return err
				}
				rows := newTable(cmd.OutOrStdout(), left("TOPIC"), right("PARTITION"), left("LEADER"), left("STATE"), right("EPOCH"), left("IN SYNC"), left("BEHIND"))
				for _, t := range topics {
					for i, p := range t.Partitions {
						state := cmp.Or(p.State, "unknown")
						if f.json() {
							line := leaderLine{Topic: t.Name, Partition: i, Leader: p.Leader, State: state, Epoch: p.Epoch, Replicas: newReplicaLines(p)}
							if err := writeJSON(cmd.OutOrStdout(), line); err != nil {
								return err
							}
							continue
						}
						inSync, behind := split(p.Replicas)
						rows.row(t.Name, i, p.Leader, state, p.Epoch, cmp.Or(inSync, "-"), cmp.Or(behind, "-"))
					}
				}
				if f.json() {
					return nil
				}
				return rows.flush()
			})
		},
	}
	addInternal(c, &internal)
	f.addTo(c)
	return c
}

// topicsNamed are the one that is named, or all; those that are the brokers' own if they are asked for.
func topicsNamed(ctx context.Context, client *commitlog.Client, names []string, internal bool) ([]commitlog.Topic, error) {
	if len(names) == 0 {
		topics, err := client.Topics(ctx)
		return shownTopics(topics, internal), err
	}
	t, err := client.Topic(ctx, names[0])
	return []commitlog.Topic{t}, err
}

// split lists the nodes whose copies are in sync, and those whose are not.
func split(replicas []commitlog.ReplicaInfo) (inSync, behind string) {
	var yes, no []string
	for _, r := range replicas {
		if r.InSync {
			yes = append(yes, r.Node)
		} else {
			no = append(no, r.Node+lagOf(r))
		}
	}
	return strings.Join(yes, ","), strings.Join(no, ",")
}

// lagOf says how far a copy is behind, empty where its node does not say.
func lagOf(r commitlog.ReplicaInfo) string {
	if r.Lag < 0 {
		return ""
	}
	return fmt.Sprintf(" (%s, %s)", counted(r.Lag, "record"), max(r.LagTime, 0).Round(time.Millisecond))
}
