package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/connectors/postgres"
	"github.com/strandlog/strand/projections"
)

func projectionsStatusCommand(at *modelPlace) *cobra.Command {
	var f format
	var v versionFlag
	var wait bool
	c := &cobra.Command{
		Use:   "status NAME",
		Short: "Show how far a projection is, and how far behind the log",
		Long: `Show how far a version of a projection is. NEXT is the offset from which a partition is projected on, EPOCH that of its owner's assignment, UPDATED when it last
changed.

A node is asked where the log ends: LAG is how many records the projection has not passed, BEHIND how long the first of them has been there. Where no node answers,
what the database knows is shown without them.

With --wait it first waits until the projection has passed where the log ends at that moment, as after a rebuild, and shows meanwhile how far that is.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused, exitPending),
		Example:           "  brokerd projections status balances\n  brokerd projections status balances --version 3 -o json | jq .lag\n  brokerd projections status balances --version 2 --wait && brokerd projections switch balances --version 2",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return at.use(cmd, func(ctx context.Context, m readModels) error {
				if wait {
					if err := follow(ctx, cmd, at, m, &v, args[0]); err != nil {
						return err
					}
				}
				o, err := v.find(ctx, m, args[0])
				if err != nil {
					return err
				}
				line := m.line(o)
				unknown := at.server.measure(ctx, &line, o.Source)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if f.json() {
					err = writeJSON(cmd.OutOrStdout(), line)
				} else {
					err = showProjection(cmd.OutOrStdout(), line)
				}
				if unknown != "" {
					tell(cmd, "This is what %s knows. How far behind the log it is cannot be told: %s", m.at, unknown)
				}
				return err
			})
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until it has caught up, and show how far it is")
	v.addTo(c)
	f.addTo(c)
	return c
}

// measure asks a node for what only the log knows of a projection, or says why that is not known.
func (s *server) measure(ctx context.Context, line *projectionLine, source projections.Source) (unknown string) {
	err := s.ask(ctx, func(client *commitlog.Client) error {
		t, why, err := sourceOf(source, func(name string) (commitlog.Topic, error) { return client.Topic(ctx, name) })
		if unknown = why; err != nil || why != "" {
			return err
		}
		line.measure(t)
		return line.age(ctx, client, t)
	})
	if err != nil {
		return firstLine(err)
	}
	return unknown
}

// ask runs work with a client of the node, within a command that can do without one.
func (s *server) ask(ctx context.Context, work func(client *commitlog.Client) error) error {
	client, err := s.dial(ctx, commitlog.Config{ReadTimeout: answerTimeout, FetchBytesMax: fetchBytesMax})
	if err == nil {
		err = errors.Join(work(client), client.Close())
	}
	return s.explain(err)
}

func showProjection(w io.Writer, line projectionLine) error {
	live, rows := "no", [2]string{"Schema", line.Schema}
	switch {
	case line.RowsTopic != "":
		live, rows = "-", [2]string{"Rows", line.RowsTopic}
	case line.Live:
		live = "yes, in the views of schema " + postgres.Views(line.Name)
	}
	paused := "no"
	if line.Paused {
		paused = "yes: brokerd projections resume has it go on"
	}
	lag := "-"
	if line.Lag != nil {
		lag = counted(*line.Lag, "record")
	}
	err := writeFacts(w, [][2]string{
		{"Name", cell([]byte(line.Name))}, {"Version", fmt.Sprint(line.Version)}, {"Live", live}, {"Paused", paused}, rows, {"Topic", cmp.Or(line.Topic, "-")},
		{"Created", shownTime(line.Created)}, {"Parked", counted(line.Parked, "event")}, {"Skipped", counted(line.Skipped, "event")}, {"Lag", lag},
	})
	if err != nil || len(line.Partitions) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	table := newTable(w, right("PARTITION"), right("NEXT"), right("END"), right("LAG"), right("BEHIND"), right("EPOCH"), left("UPDATED"))
	var details strings.Builder
	for _, p := range line.Partitions {
		behind := "-"
		if p.LagMS != nil {
			behind = shownSpan(time.Duration(*p.LagMS) * time.Millisecond)
		}
		table.row(p.Partition, number(p.Next), number(p.End), number(p.Lag), behind, p.Epoch, shownInstant(p.Updated))
		if p.Detail != "" {
			fmt.Fprintf(&details, "partition %d: %s\n", p.Partition, p.Detail)
		}
	}
	if err := table.flush(); err != nil || details.Len() == 0 {
		return err
	}
	_, err = io.WriteString(w, "\n"+details.String())
	return err
}
