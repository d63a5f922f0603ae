package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func streamsHistoryCommand(s *server) *cobra.Command {
	var f format
	var topic string
	var from int64
	c := &cobra.Command{
		Use:   "history STREAM",
		Short: "Show the events of one stream, from its first one on",
		Long: `Show the events of one stream by their versions, which count from 1 without gaps. What was acknowledged to anyone before is in it. A table shows data in
one line, cut; -o json shows all of it.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound, exitRefused),
		Example: `  brokerd streams history account-alice
  brokerd streams history order-42 --topic orders --from-version 10
  brokerd streams history account-alice -o json | jq 'select(.type == "account.withdrawn") | .data'`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := commitlog.CheckStream(args[0]); err != nil {
				return misused("%s", plain(err))
			}
			if from < 1 {
				return misused("--from-version %d: versions count from 1", from)
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.Topic(ctx, topic)
				if err == nil {
					err = requireVersioned(t)
				}
				if err != nil {
					return err
				}
				out := bufio.NewWriter(cmd.OutOrStdout())
				events := newEventWriter(out, f, func(e event) []any {
					return []any{e.Version, shownTime(e.Time), cell([]byte(e.Type)), oneLine(e)}
				}, right("VERSION"), left("TIME"), left("TYPE"), left("DATA"))
				err = history(ctx, client, t, commitlog.StreamQuery{Stream: args[0], From: from, Strict: true}, events)
				return errors.Join(err, out.Flush())
			})
		},
	}
	c.Flags().StringVar(&topic, "topic", topicDefault, "the `topic` that the stream is in")
	c.Flags().Int64Var(&from, "from-version", 1, "begin at this `version`")
	f.addTo(c)
	_ = c.RegisterFlagCompletionFunc("topic", s.completeTopicFlag(commitlog.Versioned)) // the flag exists
	return c
}

func history(ctx context.Context, client *commitlog.Client, t commitlog.Topic, q commitlog.StreamQuery, out *eventWriter) error {
	shown := 0
	for rec, err := range client.Stream(ctx, t, q) {
		var e event
		if err == nil {
			e, err = eventstore.ReadRaw(t, rec.Record)
		}
		if err == nil {
			err = out.write(e)
		}
		if err != nil {
			return errors.Join(out.flush(), interrupted(ctx, err))
		}
		shown++
	}
	switch {
	case shown > 0:
		return out.flush()
	case q.From > 1:
		return failed(exitNotFound, nil, "stream %q of topic %q has no version %d: without --from-version all are shown", q.Stream, t.Name, q.From)
	}
	return failed(exitNotFound, nil, "stream %q of topic %q does not exist: nothing was ever appended to it; brokerd events tail shows names of streams", q.Stream, t.Name)
}
