package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func groupsCommand() *cobra.Command {
	var s server
	c := familyCommand(cobra.Command{
		Use:   "groups",
		Short: "List and describe consumer groups, reset their offsets, delete them",
		Long: `Consumer groups are members that share the partitions of topics, and the offsets up to which they have read these. A program joins one with
commitlog.Join, a shell with brokerd topics consume --group; the group is made by the first who joins it.`,
		Example: "  brokerd groups list\n  brokerd groups describe dashboard\n  brokerd groups reset-offsets dashboard --topic clicks --to 2h --dry-run",
	}, groupsListCommand(&s), groupsDescribeCommand(&s), groupsResetOffsetsCommand(&s), groupsDeleteCommand(&s))
	s.addTo(c)
	return c
}

// groupLine is a group in JSON, in short.
type groupLine struct {
	Name   string   `json:"name"`
	State  string   `json:"state"`
	Epoch  uint64   `json:"epoch"`
	Size   int      `json:"size"` // members
	Topics []string `json:"topics"`
	Lag    int64    `json:"lag"` // records, of the partitions that serve
}

// groupDetail is a group in JSON, with all that is known of it.
type groupDetail struct {
	groupLine
	Members    []memberLine `json:"members"`
	Partitions []progress   `json:"partitions"`
}

type memberLine struct {
	ID        uuid.UUID        `json:"id"`
	Instance  string           `json:"instance,omitempty"`
	Client    string           `json:"client"`
	Host      string           `json:"host"`
	State     string           `json:"state"`
	Heard     time.Time        `json:"heard"`
	SessionMS int64            `json:"sessionMs"`
	Assigned  []assignmentLine `json:"assigned"`
	Revoked   []assignmentLine `json:"revoked"`
}

type assignmentLine struct {
	Topic     string    `json:"topic"` // empty: it was deleted
	TopicID   uuid.UUID `json:"topicId"`
	Partition int32     `json:"partition"`
	Epoch     uint64    `json:"epoch"`
}

// topicIndex finds topics by their ids.
type topicIndex map[uuid.UUID]commitlog.Topic

func indexTopics(ctx context.Context, client *commitlog.Client) (topicIndex, error) {
	topics, err := client.Topics(ctx)
	if err != nil {
		return nil, err
	}
	index := make(topicIndex, len(topics))
	for _, t := range topics {
		index[t.ID] = t
	}
	return index, nil
}

func newGroupLine(g commitlog.Group, all []progress) groupLine {
	line := groupLine{Name: g.Name, State: g.State, Epoch: g.Epoch, Size: g.Size, Topics: []string{}}
	for _, p := range all {
		if p.Topic != "" && !slices.Contains(line.Topics, p.Topic) {
			line.Topics = append(line.Topics, p.Topic)
		}
		if p.Lag != nil {
			line.Lag += *p.Lag
		}
	}
	return line
}

func (index topicIndex) detail(g commitlog.Group, all []progress) groupDetail {
	d := groupDetail{groupLine: newGroupLine(g, all), Members: []memberLine{}, Partitions: all}
	for _, m := range g.Members {
		d.Members = append(d.Members, memberLine{
			ID: m.ID, Instance: m.Instance, Client: m.Client, Host: m.Host, State: m.State, Heard: m.Heard, SessionMS: m.Session.Milliseconds(),
			Assigned: index.assignments(m.Assigned), Revoked: index.assignments(m.Revoked),
		})
	}
	return d
}

func (index topicIndex) assignments(all []commitlog.GroupAssignment) []assignmentLine {
	lines := make([]assignmentLine, 0, len(all))
	for _, a := range all {
		lines = append(lines, assignmentLine{Topic: index[a.Topic].Name, TopicID: a.Topic, Partition: a.Partition, Epoch: a.Epoch})
	}
	slices.SortFunc(lines, func(a, b assignmentLine) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.Partition, b.Partition))
	})
	return lines
}

// shownAssignments lists partitions by topic: clicks 0-2,5; orders 1.
func shownAssignments(all []assignmentLine) string {
	var b strings.Builder
	for i := 0; i < len(all); {
		of := i
		var partitions []int32
		for ; i < len(all) && all[i].TopicID == all[of].TopicID; i++ {
			partitions = append(partitions, all[i].Partition)
		}
		if of > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", cmp.Or(all[of].Topic, all[of].TopicID.String()), shownPartitions(partitions))
	}
	return b.String()
}

// shownPartitions shows sorted numbers, and those that follow each other as ranges: 0-2,5.
func shownPartitions(partitions []int32) string {
	var runs []string
	for i := 0; i < len(partitions); i++ {
		first := i
		for i+1 < len(partitions) && partitions[i+1] == partitions[i]+1 {
			i++
		}
		run := strconv.Itoa(int(partitions[first]))
		if i > first {
			run += "-" + strconv.Itoa(int(partitions[i]))
		}
		runs = append(runs, run)
	}
	return strings.Join(runs, ",")
}

// checkGroup refuses what no group can be called.
func checkGroup(name string) error {
	if err := commitlog.CheckGroup(name); err != nil {
		return misused("%s", plain(err))
	}
	return nil
}

// counted is a number with its noun.
func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// them stands for so many.
func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
