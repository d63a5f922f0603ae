package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

// fixed is what can never be changed: the flags by which it may be asked for, and why.
var fixed = [...]struct{ flag, why string }{
	{"partitions", "the number of partitions never changes, because keys would move to other partitions"},
	{"shards", "the number of shards never changes, because each has a log of its own"},
	{"kind", "a topic's kind never changes, because its records are of that kind"},
	{"producer-time", "whose times records have never changes, because those that are stored have theirs"},
	{"replicas", "the number of copies is what the topic was created with"},
	{"min-in-sync", "how many copies must be in sync is what the topic was created with"},
	{"name", "a topic's name never changes, because positions and programs hold it"},
}

func topicsAlterCommand(s *server) *cobra.Command {
	var f format
	var change commitlog.TopicChange
	c := &cobra.Command{
		Use:   "alter TOPIC",
		Short: "Change how long a plain topic keeps its records",
		Long: `Change how long a plain topic keeps its records, or how many bytes of them. The topic serves on, and what goes beyond the bound is deleted within
moments. What is not given stays as it is; 0 takes a bound away. Nothing else of a topic can be changed.

Records can only be deleted up to certain places, of which there are as many as the earlier bounds asked for. Up to 64 MiB of a shard that had none stay
until as much was stored behind them as is to be kept, or until they are as old again as is allowed.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example: `  brokerd topics alter clicks --retention-age 30d
  brokerd topics alter clicks --retention-bytes 50GiB --retention-age 0`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeTopics(commitlog.Plain),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range fixed {
				if cmd.Flags().Changed(f.flag) {
					return misused("--%s: %s: create another topic, and have its producers write there", f.flag, f.why)
				}
			}
			if change == (commitlog.TopicChange{}) {
				return misused("say what to change: --retention-age or --retention-bytes")
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				if t.Kind != commitlog.Plain {
					return failed(exitRefused, nil, "topic %q is %s: %s", t.Name, t.Kind, keepsWhy(t.Kind))
				}
				if t, err = client.AlterTopic(ctx, t.ID, change); err != nil {
					return err
				}
				tell(cmd, "Altered topic %s.", t.Name)
				return writeTopics(cmd.OutOrStdout(), f, t)
			})
		},
	}
	addRetention(c, &change)
	for _, f := range fixed {
		c.Flags().String(f.flag, "", "")
		_ = c.Flags().MarkHidden(f.flag) // it exists
	}
	f.addTo(c)
	return c
}

// keepsWhy says why a topic of another kind than plain has no retention.
func keepsWhy(kind commitlog.Kind) string {
	if kind == commitlog.Table {
		return "it keeps the latest record of each key, and nothing by age or size; produce a record without a value to delete a key"
	}
	return "it keeps every event, because streams are read from their first one"
}
