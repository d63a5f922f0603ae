package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsCommand() *cobra.Command {
	var s server
	c := familyCommand(cobra.Command{
		Use:   "topics",
		Short: "List, create, describe, alter and delete topics; write records to them and read them",
		Long: `Topics are named sets of partitions. A versioned topic holds event streams, a plain one records that are deleted by age or size, a table the latest
record of each key.`,
		Example: "  brokerd topics list\n  brokerd topics create clicks --kind plain --retention-age 7d\n  brokerd topics consume clicks --follow",
	}, topicsListCommand(&s), topicsCreateCommand(&s), topicsDescribeCommand(&s), topicsAlterCommand(&s), topicsDeleteCommand(&s),
		topicsProduceCommand(&s), topicsConsumeCommand(&s))
	s.addTo(c)
	return c
}

// topicLine is a topic in JSON. Every command that answers with topics writes all of it.
type topicLine struct {
	Name           string          `json:"name"`
	Kind           commitlog.Kind  `json:"kind"`
	ID             uuid.UUID       `json:"id"`
	LogID          uuid.UUID       `json:"logId"`
	Created        time.Time       `json:"created"`
	Shards         int             `json:"shards"`
	Replicas       int             `json:"replicas"`
	MinInSync      int             `json:"minInSync"`
	RetentionAgeMS int64           `json:"retentionAgeMs"`
	RetentionBytes int64           `json:"retentionBytes"`
	ProducerTime   bool            `json:"producerTime"`
	State          string          `json:"state"`
	Records        int64           `json:"records"`
	Partitions     []partitionLine `json:"partitions"`
}

type partitionLine struct {
	Partition int    `json:"partition"`
	Leader    string `json:"leader"`
	State     string `json:"state"`
	Detail    string `json:"detail,omitempty"`
	Epoch     uint64 `json:"epoch"`
	Start     int64  `json:"start"`
	End       int64  `json:"end"`

	Replicas []replicaLine `json:"replicas"`
}

func newTopicLine(t commitlog.Topic) topicLine {
	line := topicLine{
		Name: t.Name, Kind: t.Kind, ID: t.ID, LogID: t.LogID, Created: t.Created, Shards: t.Shards, Replicas: t.Replicas, MinInSync: t.MinInSync, RetentionAgeMS: t.RetentionAge.Milliseconds(),
		RetentionBytes: t.RetentionBytes, ProducerTime: t.ProducerTime, State: commitlog.Serving,
	}
	for i, p := range t.Partitions {
		state := cmp.Or(p.State, "unknown") // of a shard that the node is opening
		if state != commitlog.Serving && line.State == commitlog.Serving {
			line.State = state
		}
		line.Records += p.End - p.Start
		line.Partitions = append(line.Partitions, partitionLine{
			Partition: i, Leader: p.Leader, State: state, Detail: p.Detail, Epoch: p.Epoch, Start: p.Start, End: p.End, Replicas: newReplicaLines(p),
		})
	}
	return line
}

// kept says which records a topic keeps.
func kept(t commitlog.Topic) string {
	var bounds []string
	switch {
	case t.Kind == commitlog.Table:
		return "latest"
	case t.RetentionAge > 0:
		bounds = append(bounds, shownAge(t.RetentionAge))
	}
	if t.RetentionBytes > 0 {
		bounds = append(bounds, shownSize(t.RetentionBytes)+" a shard")
	}
	if len(bounds) == 0 {
		return "all"
	}
	return strings.Join(bounds, ", ")
}

// writeTopics answers with topics, one a row or a line.
func writeTopics(w io.Writer, f format, topics ...commitlog.Topic) error {
	rows := newTable(w, left("NAME"), left("KIND"), right("PARTITIONS"), right("SHARDS"), right("RECORDS"), left("KEEPS"), left("STATE"))
	for _, t := range topics {
		line := newTopicLine(t)
		if f.json() {
			if err := writeJSON(w, line); err != nil {
				return err
			}
			continue
		}
		rows.row(t.Name, t.Kind, len(t.Partitions), t.Shards, line.Records, kept(t), line.State)
	}
	if f.json() {
		return nil
	}
	return rows.flush()
}

// addInternal gives a command the flag that shows the topics that are the brokers' own.
func addInternal(cmd *cobra.Command, internal *bool) {
	cmd.Flags().BoolVar(internal, "internal", false, "also those that the brokers keep for themselves, such as the one of consumer groups")
}

// shownTopics are topics without the internal ones, unless they are asked for.
func shownTopics(topics []commitlog.Topic, internal bool) []commitlog.Topic {
	return slices.DeleteFunc(topics, func(t commitlog.Topic) bool { return t.Internal() && !internal })
}

// tell writes a sentence to those who watch.
func tell(cmd *cobra.Command, sentence string, args ...any) {
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), sentence+"\n", args...) // there is nowhere else to say it
}
