package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsConsumeCommand(s *server) *cobra.Command {
	var f format
	q := consumption{from: origin{text: fromEarliest}}
	c := &cobra.Command{
		Use:   "consume TOPIC",
		Short: "Read the records of a topic",
		Long: `Read the records of a topic, from where --from says up to its end as of now, or on and on with --follow. Records of one partition come in their order;
those of several are merged by time. Nothing is remembered. Ctrl-C stops it.

With --group it is a member of a consumer group: all members of that name share the partitions, and the group remembers what was read, so that the next
one goes on there; --from is for partitions of which nothing was read yet. It waits for what is yet to come, and stops after --max records or by Ctrl-C.
What is written to stdout counts as read. When it is killed, the records of the last second may be read again, by another member.

A table shows keys and values in one line, escaped and cut. As JSON a key, value or header that is no UTF-8 is in base64, in a field of its own:
keyBase64, valueBase64. With -o raw it is what produce reads: values, one a line, behind their keys with --key-separator.

The events of a versioned topic are shown better by brokerd events tail.

` + exitHelp(exitOK, exitError, exitUsage, exitDamage, exitUnavailable, exitNotFound),
		Example: `  brokerd topics consume clicks
  brokerd topics consume clicks --follow --from latest -o json | jq .value
  brokerd topics consume clicks --from 15m --max 100
  brokerd topics consume clicks --partition 3 --from 1207 --max 1
  brokerd topics consume clicks --group dashboard -o json
  brokerd topics consume clicks -o raw | brokerd topics produce copy`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeTopics(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("group") {
				if err := q.checkMembership(); err != nil {
					return err
				}
			}
			if q.from.latest && !q.follow && q.group == "" {
				return misused("behind the latest record there is nothing yet: add --follow")
			}
			if q.max < 0 {
				return misused("--max %d: choose how many, or 0 for all", q.max)
			}
			if q.separator != "" && f.value != formatRaw {
				return misused("--key-separator is for -o %s", formatRaw)
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				t, err := client.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				out := bufio.NewWriter(cmd.OutOrStdout())
				records := newRecordWriter(out, f, t.Name, q.separator)
				if q.group != "" {
					err = q.runGroup(ctx, client, t, records, out.Flush)
				} else {
					err = q.run(ctx, client, t, records, out.Flush)
				}
				return errors.Join(err, out.Flush())
			})
		},
	}
	c.Flags().Var(&q.from, "from", "where to begin: earliest, latest, an offset, an age such as 15m, or a time")
	c.Flags().Int32SliceVarP(&q.partitions, "partition", "p", nil, "read these `partitions` only, such as 3 or 0,2")
	c.Flags().StringVarP(&q.group, "group", "g", "", "read as a member of this `group`, which remembers what was read")
	c.Flags().BoolVarP(&q.follow, "follow", "f", false, "wait for what is yet to come")
	c.Flags().Int64Var(&q.max, "max", 0, "stop after `n` records")
	c.Flags().StringVarP(&q.separator, "key-separator", "k", "", "write keys too, with this behind them (-o raw)")
	f.addTo(c, formatRaw)
	_ = c.RegisterFlagCompletionFunc("group", s.completeGroupFlag)                                                                                     // the flag exists
	_ = c.RegisterFlagCompletionFunc("from", cobra.FixedCompletions([]cobra.Completion{fromEarliest, fromLatest}, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return c
}

// consumption is what to read of a topic.
type consumption struct {
	from       origin
	partitions []int32
	group      string // empty: by itself
	follow     bool
	max        int64 // 0: all
	separator  string
}

// recordWriter shows records.
type recordWriter interface {
	write(r *commitlog.Record) error
	flush() error // what it holds back
}

func (q *consumption) run(ctx context.Context, client *commitlog.Client, t commitlog.Topic, out recordWriter, flush func() error) error {
	spans, err := q.spans(ctx, client, t)
	if err != nil {
		return interrupted(ctx, err)
	}
	remaining := q.max
	r := reading{client: client, topic: t, spans: spans, follow: q.follow, idle: func() error { return errors.Join(out.flush(), flush()) }}
	for rec, err := range r.records(ctx) {
		switch {
		case err != nil && ctx.Err() != nil:
			return out.flush() // Ctrl-C is how it is stopped
		case err != nil:
			return errors.Join(out.flush(), err)
		case q.from.before(&rec):
			continue
		}
		if err := out.write(&rec); err != nil {
			return err
		}
		if remaining--; remaining == 0 {
			break
		}
	}
	return out.flush()
}

func (q *consumption) spans(ctx context.Context, client *commitlog.Client, t commitlog.Topic) (spans []span, err error) {
	wanted, err := q.wanted(t)
	if err != nil {
		return nil, err
	}
	for _, partition := range wanted {
		from, err := q.from.at(ctx, client, t, partition)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span{partition: partition, from: from, to: t.Partitions[partition].End})
	}
	return spans, nil
}

// wanted are the partitions, each once.
func (q *consumption) wanted(t commitlog.Topic) ([]int32, error) {
	wanted := slices.Compact(slices.Sorted(slices.Values(q.partitions)))
	if len(wanted) == 0 {
		for i := range t.Partitions {
			wanted = append(wanted, int32(i))
		}
	}
	if q.from.offset != nil && len(wanted) > 1 {
		return nil, misused("an offset is a place in one partition, and topic %q has %d: add --partition", t.Name, len(t.Partitions))
	}
	for _, partition := range wanted {
		if err := checkPartition(t, partition); err != nil {
			return nil, err
		}
	}
	return wanted, nil
}

// checkPartition refuses a partition that a topic does not have.
func checkPartition(t commitlog.Topic, partition int32) error {
	if partition < 0 || int(partition) >= len(t.Partitions) {
		return failed(exitNotFound, nil, "topic %q has partitions 0 to %d, not %d", t.Name, len(t.Partitions)-1, partition)
	}
	return nil
}

func newRecordWriter(w io.Writer, f format, topic, separator string) recordWriter {
	switch f.value {
	case formatJSON:
		return &jsonRecords{w: w, topic: topic}
	case formatRaw:
		return &rawRecords{w: w, separator: separator}
	}
	return &tableRecords{newTable(w, right("PARTITION"), right("OFFSET"), left("TIME"), left("KEY"), left("VALUE"))}
}

// tableRecords shows records to people.
type tableRecords struct{ *table }

func (t *tableRecords) write(r *commitlog.Record) error {
	t.row(r.Partition, r.Offset, shownTime(r.Time), cell(r.Key), cell(r.Value))
	return t.err
}

// rawRecords writes what produce reads.
type rawRecords struct {
	w         io.Writer
	separator string
}

func (t *rawRecords) write(r *commitlog.Record) error {
	if t.separator != "" {
		if _, err := fmt.Fprintf(t.w, "%s%s", r.Key, t.separator); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.w, "%s\n", r.Value)
	return err
}

func (t *rawRecords) flush() error { return nil }

// jsonRecords writes an object for each record.
type jsonRecords struct {
	w     io.Writer
	topic string
}

// recordLine is a record in JSON. Of key and value, and their fields in base64, one is there: neither for a record without.
type recordLine struct {
	Topic       string       `json:"topic"`
	Partition   int32        `json:"partition"`
	Offset      int64        `json:"offset"`
	Time        time.Time    `json:"time"`
	Key         *string      `json:"key"`
	KeyBase64   []byte       `json:"keyBase64,omitempty"`
	Value       *string      `json:"value"`
	ValueBase64 []byte       `json:"valueBase64,omitempty"`
	Headers     []headerLine `json:"headers,omitempty"`
}

type headerLine struct {
	Key         string  `json:"key"`
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"valueBase64,omitempty"`
}

func (t *jsonRecords) write(r *commitlog.Record) error {
	line := recordLine{Topic: t.topic, Partition: r.Partition, Offset: r.Offset, Time: r.Time}
	line.Key, line.KeyBase64 = jsonText(r.Key)
	line.Value, line.ValueBase64 = jsonText(r.Value)
	for _, h := range r.Headers {
		one := headerLine{Key: h.Key}
		one.Value, one.ValueBase64 = jsonText(h.Value)
		line.Headers = append(line.Headers, one)
	}
	return writeJSON(t.w, line)
}

func (t *jsonRecords) flush() error { return nil }
