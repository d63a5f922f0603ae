package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/brokerd/broker"
)

func backupCommand() *cobra.Command {
	var s server
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy everything that a running node holds",
		Long: `Copy everything that a running node holds into an empty or new directory. The node serves on.

Each topic is consistent: its backup is what one shard held at one moment, and no append is torn. Checksums are checked on the way, and written
down for the restore. Progress is told on stderr.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable),
		Example: "  brokerd backup backup-monday\n  brokerd backup --server nats://10.0.0.7:4222 backup-monday",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				m, err := broker.BackupFrom(ctx, s.url(), args[0], func(topic string, records, bytes int64) {
					tellProgress(cmd.ErrOrStderr(), "backed up", topic, records, bytes)
				})
				if err != nil {
					return s.explain(err)
				}
				return tellBackup(cmd, "backed up to", args[0], m)
			})
		},
	}
	s.addTo(cmd)
	return cmd
}

func restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore BACKUP DIR",
		Short: "Make a data directory from a backup",
		Long: `Make a data directory from a backup. DIR must be empty or new. Every checksum is compared before anything is written; when one does not match,
the exit code is 3.

Topics, offsets and versions are those of the backup. Each log gets a new identity, because what was appended after the backup is gone, and other
events will take those offsets: projections stop with LOG_DIVERGED until they are rebuilt, and positions and cursors are refused as unreachable.`,
		Example: "  brokerd restore backup-monday /var/lib/brokerd",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return &usageError{err}
			}
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				m, err := broker.Restore(ctx, args[0], broker.Config{Dir: dir}, func(topic string, records, bytes int64) {
					tellProgress(cmd.ErrOrStderr(), "restored", topic, records, bytes)
				})
				if err != nil {
					return err
				}
				return tellBackup(cmd, "restored to", args[1], m)
			})
		},
	}
}

func tellBackup(cmd *cobra.Command, what, dir string, m broker.BackupManifest) error {
	var records, bytes int64
	for _, t := range m.Topics {
		for _, s := range t.Shard {
			records += s.Records
			bytes += s.Bytes
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d topics, %d records, %d bytes %s %s\n", len(m.Topics), records, bytes, what, dir)
	return err
}
