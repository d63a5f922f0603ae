package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/eventstore"
)

func eventsTailCommand(s *server) *cobra.Command {
	var f format
	var topic string
	var q tail
	c := &cobra.Command{
		Use:   "tail",
		Short: "Show the newest events, and with --follow those that come",
		Long: `Show the newest events of a topic by their time, and with --follow those that are appended from then on, until Ctrl-C.

Types and categories are compared as they stand on the log: an event is shown if it has one of the types, if any are given, and is in one of the
categories, if any are given. To find the newest of a rare type it may have to read the whole topic.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound, exitRefused),
		Example: `  brokerd events tail
  brokerd events tail --follow -n 0
  brokerd events tail --type account.withdrawn -n 100 -o json | jq .data.Amount
  brokerd events tail --topic orders --category order,invoice --follow`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.newest < 0 || q.newest > newestMax {
				return misused("-n %d: choose 0 to %d; brokerd topics consume %s reads all", q.newest, newestMax, topic)
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
					return []any{e.Position, shownTime(e.Time), cell([]byte(e.Stream)), e.Version, cell([]byte(e.Type)), oneLine(e)}
				}, left("POSITION"), left("TIME"), left("STREAM"), right("VERSION"), left("TYPE"), left("DATA"))
				err = q.run(ctx, client, t, events, out.Flush)
				return errors.Join(err, out.Flush())
			})
		},
	}
	c.Flags().StringVar(&topic, "topic", topicDefault, "the `topic`")
	c.Flags().StringSliceVar(&q.types, "type", nil, "show these `types` only, such as account.deposited")
	c.Flags().StringSliceVar(&q.categories, "category", nil, "show these `categories` of streams only, such as account")
	c.Flags().BoolVarP(&q.follow, "follow", "f", false, "wait for what is yet to come")
	c.Flags().IntVarP(&q.newest, "newest", "n", 10, "begin with the newest `n` events")
	f.addTo(c)
	_ = c.RegisterFlagCompletionFunc("topic", s.completeTopicFlag(commitlog.Versioned)) // the flag exists
	return c
}

// topicDefault is where programs keep their events unless they say otherwise.
const topicDefault = "events"

// newestMax bounds what is remembered of events that are to be shown.
const newestMax = 100_000

// tail is what to show of the end of a topic.
type tail struct {
	types, categories []string
	newest            int
	follow            bool
}

// wants is the filter.
func (q *tail) wants(e event) bool {
	return (len(q.types) == 0 || slices.Contains(q.types, e.Type)) && (len(q.categories) == 0 || slices.Contains(q.categories, e.Stream.Category()))
}

func (q *tail) run(ctx context.Context, client *commitlog.Client, t commitlog.Topic, out *eventWriter, flush func() error) error {
	spans, err := q.spans(ctx, client, t)
	if err != nil {
		return interrupted(ctx, err)
	}
	r := reading{client: client, topic: t, spans: spans, follow: q.follow, idle: func() error { return errors.Join(out.flush(), flush()) }}
	for rec, err := range r.records(ctx) {
		var e event
		if err == nil {
			e, err = eventstore.ReadRaw(t, rec)
		}
		if err == nil && q.wants(e) {
			err = out.write(e)
		}
		if err != nil {
			return errors.Join(out.flush(), interrupted(ctx, err))
		}
	}
	return out.flush()
}

// interrupted is an error, but that of a reader whom Ctrl-C has stopped: that is how it ends.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// tailPlace is where an event that is to be shown is.
type tailPlace struct {
	time      time.Time
	partition int32
	offset    int64
}

// spans begin where the newest events are. Each partition is asked for as many as are wanted, as if there were no others.
func (q *tail) spans(ctx context.Context, client *commitlog.Client, t commitlog.Topic) ([]span, error) {
	var newest []tailPlace
	for i := range t.Partitions {
		found, err := q.newestOf(ctx, client, t, int32(i))
		if err != nil {
			return nil, err
		}
		newest = append(newest, found...)
		slices.SortFunc(newest, func(a, b tailPlace) int {
			return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.partition, b.partition), cmp.Compare(a.offset, b.offset))
		})
		newest = slices.Clone(newest[max(len(newest)-q.newest, 0):])
	}
	spans := make([]span, len(t.Partitions))
	for i, p := range t.Partitions {
		spans[i] = span{partition: int32(i), from: p.End, to: p.End}
	}
	for _, at := range newest {
		spans[at.partition].from = min(spans[at.partition].from, at.offset)
	}
	return spans, nil
}

// windowMax is how many records are read at a time on the way back.
const windowMax = 64 << 10

// newestOf finds the newest events of a partition, from its end backwards: in windows that grow, each read forwards.
func (q *tail) newestOf(ctx context.Context, client *commitlog.Client, t commitlog.Topic, partition int32) (found []tailPlace, err error) {
	start, high := t.Partitions[partition].Start, t.Partitions[partition].End
	for window := int64(q.newest); len(found) < q.newest && start < high; window = min(2*window, windowMax) {
		low := max(high-max(window, 1), start)
		var more []tailPlace
		for rec, err := range client.Records(ctx, t, partition, commitlog.Range{From: low, To: high}) {
			if err != nil {
				return nil, err
			}
			e, err := eventstore.ReadRaw(t, rec)
			if err != nil {
				return nil, err
			}
			if q.wants(e) {
				more = append(more, tailPlace{rec.Time, partition, rec.Offset})
			}
		}
		found = append(more, found...)
		high = low
	}
	return found[max(len(found)-q.newest, 0):], nil
}
