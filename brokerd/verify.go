package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/broker"
)

func verifyCommand() *cobra.Command {
	var s server
	var f format
	cmd := &cobra.Command{
		Use:   "verify (DIR | --server URL)",
		Short: "Check everything that a node holds",
		Long: `Check everything that a node holds, and report by topic and partition.

With a directory, of a node that does not run: the log of every topic, frame by frame (checksums, the chain of frames, offsets and versions
without a gap), and whether segments and index lead to what the log says. The log is read and never changed.

With --server, of a node that runs: every partition is read as a client reads it.

Progress is told on stderr.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable),
		Example: "  brokerd verify /var/lib/brokerd\n  brokerd verify --server nats://127.0.0.1:4222 -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (s.flag != "") {
				return &usageError{errors.New("verify needs a data directory or --server URL, and not both")}
			}
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				progress := func(topic string, records, bytes int64) {
					tellProgress(cmd.ErrOrStderr(), "verified", topic, records, bytes)
				}
				var report broker.VerifyReport
				var err error
				if s.flag == "" {
					report, err = broker.VerifyDir(ctx, args[0], progress)
				} else {
					report, err = broker.VerifyServer(ctx, s.url(), progress)
					err = s.explain(err)
				}
				if err != nil {
					return err
				}
				if f.json() {
					err = writeJSON(cmd.OutOrStdout(), report)
				} else {
					err = writeReport(cmd.OutOrStdout(), report)
				}
				if err == nil && report.Damage {
					return errDamage
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&s.flag, "server", "", "the `URL` of a node that runs")
	f.addTo(cmd)
	return cmd
}

// errDamage ends verify with an exit code of its own.
var errDamage = errors.New("damage was found: see the report")

// tellProgress writes one line now and then. records is -1 when a topic is done.
func tellProgress(w io.Writer, done, topic string, records, bytes int64) {
	if records < 0 {
		_, _ = fmt.Fprintf(w, "%s: %s\n", topic, done) // there is nowhere else to say it
		return
	}
	_, _ = fmt.Fprintf(w, "%s: %d records, %d MiB so far\n", topic, records, bytes>>20)
}

func writeReport(w io.Writer, r broker.VerifyReport) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprint(table, c, "\t") // a tabwriter keeps its error for Flush
		}
		_, _ = fmt.Fprintln(table)
	}
	row("TOPIC", "PARTITION", "START", "END", "RECORDS", "BYTES", "IN CACHES")
	for _, t := range r.Topics {
		for _, p := range t.Partitions {
			row(t.Topic, p.Partition, p.Start, p.End, p.Records, p.Bytes, p.Cached)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	verdict := "sound"
	if r.Damage {
		verdict = "DAMAGED"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\n%d records, %d bytes: %s\n", r.Records, r.Bytes, verdict)
	for _, t := range r.Topics {
		for _, d := range t.Damage {
			fmt.Fprintf(&text, "  %s: %s\n", t.Topic, d)
		}
		if t.Unchecked > 0 {
			fmt.Fprintf(&text, "  %s: the versions of %d records were not checked: there are too many streams\n", t.Topic, t.Unchecked)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}
