package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func eventsShowCommand(s *server) *cobra.Command {
	var f format
	c := &cobra.Command{
		Use:   "show POSITION",
		Short: "Show one event with all that surrounds it",
		Long: `Show one event with all that surrounds it. A position is written topic/partition@offset, as events tail and log lines show it, or in its whole form,
which programs store. One in its whole form that is of a topic that was deleted, or of a log that was restored from a backup since, is not found.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound, exitRefused),
		Example:           "  brokerd events show events/3@1207\n  brokerd events show events/3@1207 -o json | jq .metadata",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			var at eventstore.Position
			if err := at.UnmarshalText([]byte(args[0])); err != nil || at.IsZero() {
				return misused("%q is no position: write topic/partition@offset, such as events/3@1207", args[0])
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				e, err := eventAt(ctx, client, at)
				if err != nil {
					return err
				}
				if f.json() {
					return writeJSON(cmd.OutOrStdout(), newEventLine(e))
				}
				return showEvent(cmd.OutOrStdout(), e)
			})
		},
	}
	f.addTo(c)
	return c
}

func eventAt(ctx context.Context, client *commitlog.Client, at eventstore.Position) (event, error) {
	t, err := client.Topic(ctx, at.Topic)
	if err == nil {
		err = requireVersioned(t)
	}
	if err == nil {
		err = at.Check(t)
	}
	if err != nil {
		return event{}, err
	}
	for rec, err := range client.Records(ctx, t, at.Partition, commitlog.Range{From: at.Offset, To: at.Offset + 1}) {
		if errors.Is(err, commitlog.ErrOffsetOutOfRange) {
			break
		}
		if err != nil {
			return event{}, err
		}
		return eventstore.ReadRaw(t, rec)
	}
	return event{}, failed(exitNotFound, nil, "there is no event at %s yet: the partition ends at %d", at, t.Partitions[at.Partition].End)
}

// showEvent writes an event for people, one fact a line, and its data behind them.
func showEvent(w io.Writer, e event) error {
	whole, err := e.Position.MarshalText()
	if err != nil {
		return err
	}
	m := e.Metadata
	facts := [][2]string{
		{"Position", e.Position.String()}, {"Stream", cell([]byte(e.Stream))}, {"Version", strconv.FormatInt(e.Version, 10)}, {"Type", cell([]byte(e.Type))},
		{"Time", shownTime(e.Time)}, {"Id", e.ID.String()}, {"Command", m.CommandID}, {"Correlation", m.CorrelationID}, {"Causation", m.CausationID},
		{"Trace", m.Traceparent}, {"Tenant", m.Tenant}, {"Actor", m.Actor}, {"Tags", strings.Join(m.Tags, ", ")},
	}
	line := newEventLine(e)
	if len(line.Metadata.User) > 0 {
		user, err := json.Marshal(line.Metadata.User)
		if err != nil {
			return fmt.Errorf("encoding the metadata: %w", err)
		}
		facts = append(facts, [2]string{"User", string(user)})
	}
	for i := range facts {
		if facts[i][1] != "" {
			facts[i][1] = cell([]byte(facts[i][1]))
		}
	}
	facts = append(facts, [2]string{"Whole position", string(whole)}, [2]string{"Content", e.Data.ContentType})
	if err := writeFacts(w, facts); err != nil {
		return err
	}
	data := e.Data.Bytes
	if isJSON(e) {
		var indented bytes.Buffer
		if err := json.Indent(&indented, data, "", "  "); err != nil {
			return fmt.Errorf("indenting the data: %w", err)
		}
		data = indented.Bytes()
	} else {
		data = []byte(cell(data))
	}
	_, err = fmt.Fprintf(w, "\n%s\n", data)
	return err
}
