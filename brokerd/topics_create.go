package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsCreateCommand(s *server) *cobra.Command {
	var f format
	var kind choice
	var keep commitlog.TopicChange
	var cfg commitlog.TopicConfig
	c := &cobra.Command{
		Use:   "create TOPIC",
		Short: "Create a topic",
		Long: `Create a topic. How many partitions it has, and its kind, can never be changed: keys would move to other partitions.

  versioned  event streams, which programs append to with an expected version; nothing is ever deleted
  plain      records that producers send, deleted by age, by size or never
  table      the latest record of each key; a record without a value deletes its key

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitRefused),
		Example: `  brokerd topics create events
  brokerd topics create clicks --kind plain --partitions 16 --retention-age 7d --retention-bytes 20GiB
  brokerd topics create prices --kind table`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Name, cfg.Kind = args[0], commitlog.Kind(kind.value)
			if keep.RetentionAge != nil {
				cfg.RetentionAge = *keep.RetentionAge
			}
			if keep.RetentionBytes != nil {
				cfg.RetentionBytes = *keep.RetentionBytes
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.CreateTopic(ctx, cfg)
				if errors.Is(err, commitlog.ErrTopicExists) {
					return failed(exitRefused, err, "topic %q exists: brokerd topics describe %[1]s shows it; choose another name, or delete it first", cfg.Name)
				}
				if err != nil {
					return err
				}
				tell(cmd, "Created topic %s.", t.Name)
				return writeTopics(cmd.OutOrStdout(), f, t)
			})
		},
	}
	kind.addTo(c, "kind", "", "what it is for", string(commitlog.Versioned), string(commitlog.Plain), string(commitlog.Table))
	c.Flags().IntVar(&cfg.Partitions, "partitions", 0, "how many `partitions`, 1 to 1024 (default 8)")
	c.Flags().IntVar(&cfg.Shards, "shards", 0, "into how many `shards` the partitions are dealt, each with a sequencer and a log of its own, within which an append may span partitions (default 1, in a cluster one for each node)")
	c.Flags().IntVar(&cfg.Replicas, "replicas", 0, "how many `nodes` have a copy: 1, 3 or 5 (default 3 in a cluster)")
	c.Flags().IntVar(&cfg.MinInSync, "min-in-sync", 0, "how many of the `copies` must be in sync for appends to be taken (default 1)")
	c.Flags().BoolVar(&cfg.ProducerTime, "producer-time", false, "keep the times that producers give their records (plain topics)")
	addRetention(c, &keep)
	f.addTo(c)
	return c
}
