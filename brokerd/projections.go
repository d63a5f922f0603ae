package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	tabletopic "github.com/strandlog/strand/connectors/table"
	"github.com/strandlog/strand/projections"
)

func projectionsCommand() *cobra.Command {
	var at modelPlace
	c := familyCommand(cobra.Command{
		Use:   "projections",
		Short: "Show read models, switch versions, retry parked events",
		Long: `Projections turn events into read models, which they keep beside their checkpoints: in a PostgreSQL database, or in table topics of the log. These commands look
at the database that is named by a flag or by the environment and, when none is, or with --log, at the log. Of the former a node is asked what only the log knows.`,
		Example: "  brokerd projections list --database postgres://user@host:5432/name\n  brokerd projections status balances\n  brokerd projections parked list balances",
	}, projectionsListCommand(&at), projectionsStatusCommand(&at), projectionsSwitchCommand(&at), projectionsPauseCommand(&at), projectionsResumeCommand(&at), projectionsResetCommand(&at), projectionsParkedCommand(&at))
	at.addTo(c)
	return c
}

// projectionLine is a projection version in JSON.
type projectionLine struct {
	Name       string          `json:"name"`
	Version    int             `json:"version"`
	Live       bool            `json:"live"` // readers see it, where they see one at a time
	Paused     bool            `json:"paused"`
	Topic      string          `json:"topic"` // empty: no worker has begun
	TopicID    uuid.UUID       `json:"topicId"`
	LogID      uuid.UUID       `json:"logId"`
	Schema     string          `json:"schema,omitempty"`    // of its tables, in a database
	RowsTopic  string          `json:"rowsTopic,omitempty"` // in the log
	Created    time.Time       `json:"created"`
	Updated    *time.Time      `json:"updated"`    // nil: no partition was claimed
	Checkpoint int64           `json:"checkpoint"` // the sum of all partitions
	Lag        *int64          `json:"lag"`        // events, of the partitions that serve; nil: it is not known
	Parked     int64           `json:"parked"`     // events that wait
	Skipped    int64           `json:"skipped"`
	Partitions []projectedLine `json:"partitions"`
}

// projectedLine is a partition of a projection version in JSON.
type projectedLine struct {
	Partition int32      `json:"partition"`
	Next      *int64     `json:"next"` // nil: no worker has claimed it
	Epoch     uint64     `json:"epoch"`
	Updated   *time.Time `json:"updated"`
	Start     *int64     `json:"start"` // nil, as the next three, where the log is not known
	End       *int64     `json:"end"`
	Lag       *int64     `json:"lag"`
	LagMS     *int64     `json:"lagMs"` // how old the first event is that lacks; nil: there is none, or it cannot be told
	Detail    string     `json:"detail,omitempty"`
}

func (m readModels) line(o projections.Overview) projectionLine {
	line := newProjectionLine(o)
	if m.database != nil {
		line.Schema = postgres.Schema(o.ID)
	} else {
		line.RowsTopic = tabletopic.TopicOf(o.ID)
	}
	return line
}

func newProjectionLine(o projections.Overview) projectionLine {
	line := projectionLine{
		Name: o.ID.Name, Version: o.ID.Version, Live: o.Live, Paused: o.Paused, Topic: o.Source.Topic, TopicID: o.Source.TopicID, LogID: o.Source.LogID,
		Created: o.Created.UTC(), Parked: o.Waiting, Skipped: o.Skipped, Partitions: []projectedLine{},
	}
	for _, p := range o.Partitions {
		updated := p.Updated.UTC()
		line.Checkpoint += p.Next
		if line.Updated == nil || updated.After(*line.Updated) {
			line.Updated = &updated
		}
		line.Partitions = append(line.Partitions, projectedLine{Partition: p.Partition, Next: new(p.Next), Epoch: p.Epoch, Updated: &updated})
	}
	return line
}

// measure compares the checkpoints with what the topic holds, which is the one that they belong to.
func (line *projectionLine) measure(t commitlog.Topic) {
	known := map[int32]projectedLine{}
	for _, p := range line.Partitions {
		known[p.Partition] = p
	}
	line.Partitions, line.Lag = line.Partitions[:0], new(int64)
	for i, info := range t.Partitions {
		p := known[int32(i)]
		p.Partition = int32(i)
		if info.State == commitlog.Serving {
			next := info.Start
			if p.Next != nil {
				next = max(*p.Next, info.Start)
			}
			p.Start, p.End, p.Lag = new(info.Start), new(info.End), new(max(info.End-next, 0))
			*line.Lag += *p.Lag
			if p.Next != nil && *p.Next > info.End {
				p.Detail = "the partition ends before the checkpoint: it lost records, or was restored"
			}
		} else {
			p.Detail = strings.TrimSuffix(cmp.Or(info.State, "unknown")+": "+info.Detail, ": ")
		}
		line.Partitions = append(line.Partitions, p)
	}
}

// age sets how old the first events are that are not projected yet.
func (line *projectionLine) age(ctx context.Context, client *commitlog.Client, t commitlog.Topic) error {
	return fanOut(ctx, len(line.Partitions), func(ctx context.Context, i int) error {
		p := &line.Partitions[i]
		if p.Lag == nil || *p.Lag == 0 {
			return nil
		}
		next := *p.End - *p.Lag
		for r, err := range client.Records(ctx, t, p.Partition, commitlog.Range{From: next, To: next + 1}) {
			switch {
			case errors.Is(err, commitlog.ErrOffsetOutOfRange), errors.Is(err, commitlog.ErrUnknownTopic), errors.Is(err, commitlog.ErrUnavailable):
				return nil // it was deleted meanwhile, or the partition moves
			case err != nil:
				return err
			}
			p.LagMS = new(max(time.Since(r.Time), 0).Milliseconds())
		}
		return nil
	})
}

// sourceOf finds the topic that checkpoints belong to, or says why there is none.
func sourceOf(s projections.Source, topics func(name string) (commitlog.Topic, error)) (t commitlog.Topic, why string, err error) {
	if s == (projections.Source{}) {
		return t, "no worker has begun yet", nil
	}
	t, err = topics(s.Topic)
	switch {
	case errors.Is(err, commitlog.ErrUnknownTopic):
		return t, fmt.Sprintf("topic %q does not exist", s.Topic), nil
	case err == nil && t.ID != s.TopicID:
		return t, fmt.Sprintf("its checkpoint belongs to another topic of the name %q, which was deleted, or is at another node", s.Topic), nil
	case err == nil && t.LogID != s.LogID:
		return t, fmt.Sprintf("its checkpoint belongs to the log of topic %q as it was before that was restored", s.Topic), nil
	}
	return t, "", err
}

// versionFlag is the version that a command looks at.
type versionFlag struct{ version int }

func (v *versionFlag) addTo(c *cobra.Command) {
	c.Flags().IntVar(&v.version, "version", 0, "the `version` (default: the live one, else the newest)")
}

// find is the version of a projection that is meant.
func (v *versionFlag) find(ctx context.Context, m readModels, name string) (projections.Overview, error) {
	versions, err := versionsOf(ctx, m, name)
	if err != nil {
		return projections.Overview{}, err
	}
	meant := versions[len(versions)-1]
	var numbers []string
	for _, o := range versions {
		numbers = append(numbers, fmt.Sprint(o.ID.Version))
		if o.ID.Version == v.version {
			return o, nil
		}
		if o.Live {
			meant = o
		}
	}
	if v.version != 0 {
		return projections.Overview{}, failed(exitNotFound, nil, "projection %q has no version %d, but %s", name, v.version, strings.Join(numbers, ", "))
	}
	return meant, nil
}

// versionsOf lists the versions of a projection, of which there is one at least.
func versionsOf(ctx context.Context, m readModels, name string) (versions []projections.Overview, err error) {
	all, err := m.List(ctx)
	for _, o := range all {
		if o.ID.Name == name {
			versions = append(versions, o)
		}
	}
	if err == nil && len(versions) == 0 {
		return nil, failed(exitNotFound, nil, "projection %q is not in %s: brokerd projections list shows those that are", name, m.at)
	}
	return versions, err
}

// shownInstant is a time that may not have come.
func shownInstant(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return shownTime(*t)
}

// firstLine is an error without the advice that follows it.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
