package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func doctorCommand() *cobra.Command {
	var s server
	var f format
	d := doctor{}
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with a node or a cluster, and say what to do",
		Long: `Look for what is wrong with a node or a cluster, and say what to do about it. It changes nothing, and asks as any client does:

  nodes     whether all are alive, and of one version
  topics    whether every partition serves, its copies are in sync, and leaders are spread evenly
  groups    whether one has records to read and no members, cannot go on because they were deleted, or hands partitions over for long
  clock     whether that of a node is ahead of this machine's

With --dir, on the machine of a node, also how much room there is for its data directory, and how many files a process may have open.

Of projections it looks whether they have parked events, or make no progress while their topic has newer records: of those that keep their rows in the log and, with
--database, of those in a PostgreSQL database, with its version, migrations and connections, and transactions in which a worker does nothing.

What is "ok" is said once for all, what is not for each thing. Of a group that hands partitions over, and of a projection that is behind, it waits a while to see
them go on.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitUnwell),
		Example: "  brokerd doctor\n  brokerd doctor --dir /var/lib/brokerd --database postgres://user@host:5432/name\n  brokerd doctor -o json | jq -r 'select(.level != \"ok\") | .remedy'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if d.patience < 0 {
				return misused("--patience %v: choose 0 or more", d.patience)
			}
			if err := s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				d.client = client
				d.examine(ctx)
				return ctx.Err()
			}); err != nil {
				return err
			}
			if err := d.write(cmd.OutOrStdout(), f); err != nil {
				return err
			}
			if wrong, warnings := d.count(levelError), d.count(levelWarning); wrong+warnings > 0 {
				return failed(exitUnwell, nil, "found %s and %s", counted(wrong, "error"), counted(warnings, "warning"))
			}
			return nil
		},
	}
	c.Flags().StringVar(&d.dir, "dir", "", "the data `directory` of a node on this machine")
	c.Flags().DurationVar(&d.patience, "patience", 5*time.Second, "how long a group may take to hand partitions over, and a projection to go on")
	_ = c.MarkFlagDirname("dir") // the flag exists
	s.addTo(c)
	d.database.addTo(c, "the `URL` of the PostgreSQL database of projections (default $"+databaseVariable+", else none is looked at)")
	f.addTo(c)
	return c
}

// How bad a finding is.
const (
	levelOK      = "ok"
	levelWarning = "warning" // it works, and somebody should look
	levelError   = "error"   // something does not work
)

// finding is one thing that was looked at. What is wrong comes with what to do about it.
type finding struct {
	Level  string `json:"level"`
	Thing  string `json:"thing"` // node, topic, group, ...; their plural for all of them
	Name   string `json:"name,omitempty"`
	Text   string `json:"finding"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor examines what answers at client.
type doctor struct {
	client   *commitlog.Client
	dir      string // empty: none
	database database
	patience time.Duration
	findings []finding
}

func (d *doctor) add(found ...finding) { d.findings = append(d.findings, found...) }

// examine looks at everything. What cannot be learned is an error that was found.
func (d *doctor) examine(ctx context.Context) {
	nodes, err := d.client.Nodes(ctx)
	d.add(orBlind(err, "nodes", func() []finding { return append(examineNodes(nodes), examineVersions(nodes)...) })...)
	if ctx.Err() != nil {
		return
	}
	topics, err := d.client.Topics(ctx)
	d.add(orBlind(err, "topics", func() []finding {
		return append(examineTopics(topics), examineLeaders(nodes, topics)...)
	})...)
	if err == nil && ctx.Err() == nil {
		d.examineGroups(ctx, topics)
		d.examineClocks(ctx, topics)
		d.examineTables(ctx, topics)
		if d.database.named() != "" {
			d.examineDatabase(ctx, topics)
		}
	}
	if d.dir != "" {
		d.add(examineVolumes(d.dir)...)
		d.add(examineFiles())
	}
}

// orBlind is what look finds, or that it could not look.
func orBlind(err error, thing string, look func() []finding) []finding {
	if err == nil {
		return look()
	}
	return []finding{{
		levelError, thing, "", "cannot be listed: " + plain(err),
		"bring more than half of the nodes back, and look at the log of the one that answers",
	}}
}

func (d *doctor) count(level string) (n int) {
	for _, found := range d.findings {
		if found.Level == level {
			n++
		}
	}
	return n
}

func (d *doctor) write(w io.Writer, f format) error {
	if f.json() {
		for _, found := range d.findings {
			if err := writeJSON(w, found); err != nil {
				return err
			}
		}
		return nil
	}
	var b strings.Builder
	for _, found := range d.findings {
		fmt.Fprintf(&b, "%-7s  %s: %s\n", found.Level, strings.TrimSpace(found.Thing+" "+found.Name), found.Text)
		if found.Remedy != "" {
			fmt.Fprintf(&b, "%-7s  -> %s\n", "", found.Remedy)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
