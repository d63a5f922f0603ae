package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/strandlog/strand/commitlog"
)

func topicsProduceCommand(s *server) *cobra.Command {
	var f format
	var acks, compression choice
	var read lines
	var headers []string
	var partition int32
	c := &cobra.Command{
		Use:   "produce TOPIC",
		Short: "Write records from stdin to a plain topic or a table, one a line",
		Long: `Write records from stdin to a plain topic or a table. A line is a record's value; with --key-separator it is key, separator, value. Records of one key
are stored in their order, each once, whatever has to be sent again. The answer says which offsets they have; how many they are is told on stderr.

It stops at the first record that cannot be stored. Ctrl-C ends the input; what was sent until then is stored.

Versioned topics are refused: their events are appended by programs, which say which version of the stream they expect.

` + exitHelp(exitOK, exitError, exitUsage, exitUnavailable, exitNotFound, exitRefused),
		Example: `  seq 1000 | brokerd topics produce clicks --compression zstd
  echo 'page-7:{"user":"alice"}' | brokerd topics produce clicks --key-separator : -H 'source: shell'
  echo 'EUR:' | brokerd topics produce prices --key-separator : --tombstones   # deletes the key EUR`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: s.completeTopics(commitlog.Plain, commitlog.Table),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if read.headers, err = parseHeaders(headers); err != nil {
				return err
			}
			if cmd.Flags().Changed("partition") {
				read.partition = &partition
			}
			if read.tombstones && read.separator == "" {
				return misused("--tombstones deletes keys: add --key-separator")
			}
			return s.use(cmd, func(ctx context.Context, client *commitlog.Client) error {
				topic, err := client.Topic(ctx, args[0])
				if err != nil {
					return err
				}
				switch {
				case topic.Kind == commitlog.Versioned:
					return refuseVersioned(topic)
				case read.partition != nil && topic.Kind == commitlog.Table:
					return misused("topic %q is a table, where a record's partition is its key's: leave --partition out", topic.Name)
				case read.partition != nil:
					if err := checkPartition(topic, partition); err != nil {
						return err
					}
				}
				return produce(ctx, cmd, client, topic, producerConfig(acks.value, compression.value), read, f)
			})
		},
	}
	c.Flags().StringVarP(&read.separator, "key-separator", "k", "", "what stands between key and value (default: lines have no key)")
	c.Flags().BoolVar(&read.tombstones, "tombstones", false, "a line without a value deletes its key from a table")
	c.Flags().StringArrayVarP(&headers, "header", "H", nil, "a `'name: value'` for every record; may be given more than once")
	c.Flags().Int32VarP(&partition, "partition", "p", 0, "write to this partition (default: each key's own)")
	acks.addTo(c, "acks", "", "what to wait for; none does not learn whether records are stored", "all", "one", "none")
	compression.addTo(c, "compression", "", "how batches are compressed", "none", "zstd", "lz4", "s2")
	f.addTo(c)
	return c
}

// How long records may take: a person waits for it.
const (
	deliveryTimeout = 30 * time.Second
	progressEvery   = 5 * time.Second
	closingTimeout  = stopTimeout - time.Second // after a signal, before the command is abandoned
)

func producerConfig(acks, compression string) commitlog.ProducerConfig {
	known := map[string]commitlog.Acks{"all": commitlog.AcksAll, "one": commitlog.AcksOne, "none": commitlog.AcksNone}
	codecs := map[string]commitlog.Compression{"none": commitlog.Uncompressed, "zstd": commitlog.Zstd, "lz4": commitlog.LZ4, "s2": commitlog.S2}
	return commitlog.ProducerConfig{Acks: known[acks], Compression: codecs[compression], DeliveryTimeout: deliveryTimeout, BufferWaitMax: 2 * deliveryTimeout}
}

func refuseVersioned(t commitlog.Topic) error {
	return failed(exitRefused, nil, `topic %q is versioned: it holds event streams, and an event needs a type and the version of its stream that it expects
  append events from a Go program: package aggregates, or eventstore
  or make a topic for plain records: brokerd topics create NAME --kind plain`, t.Name)
}

// produce writes the records that are read to a topic, until there are no more, one cannot be stored, or ctx ends.
func produce(ctx context.Context, cmd *cobra.Command, client *commitlog.Client, topic commitlog.Topic, cfg commitlog.ProducerConfig, read lines, f format) error {
	producer, err := client.Producer(ctx, topic, cfg)
	if err != nil {
		return err
	}
	if in, ok := cmd.InOrStdin().(*os.File); ok && isTerminal(in) {
		tell(cmd, "Type records, one a line; Ctrl-D ends.")
	}
	outcomes := newTally()
	cause := feed(ctx, cmd, producer, read.from(ctx, cmd.InOrStdin()), outcomes)
	// A signal ends the input, and leaves what was read a little time to be stored.
	closing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(closingTimeout, cancel) })
	defer stop()
	lost, _ := errors.AsType[*commitlog.NotDeliveredError](producer.Close(closing))
	if err := outcomes.write(cmd.OutOrStdout(), topic.Name, f); err != nil {
		return err
	}
	if cfg.Acks == commitlog.AcksNone {
		tell(cmd, "%d records sent to topic %s; whether they are stored was not asked.", outcomes.count(), topic.Name)
	} else {
		tell(cmd, "%d records stored in topic %s.", outcomes.count(), topic.Name)
	}
	if lost != nil {
		code := exitError
		if errors.Is(lost, commitlog.ErrUnavailable) {
			code = exitUnavailable
		}
		return failed(code, lost, "%d records are not stored, but for %d that may be: %s", lost.Records, lost.Indefinite, plain(lost.First))
	}
	return cause
}

// feed sends what is read, and answers why it stopped before the end of it; nil for a signal.
func feed(ctx context.Context, cmd *cobra.Command, producer *commitlog.Producer, input <-chan line, outcomes *tally) error {
	progress := time.NewTicker(progressEvery)
	defer progress.Stop()
	for {
		select {
		case l, more := <-input:
			err := l.err
			if more && err == nil {
				err = producer.Send(ctx, l.message, outcomes.told)
			}
			switch {
			case !more || err != nil && ctx.Err() != nil:
				return nil
			case errors.Is(err, commitlog.ErrInvalid): // of a table, whose records need keys
				return misused("line %d: %s: give it one with --key-separator", l.number, plain(err))
			case err != nil:
				return failed(exitError, err, "line %d: %s", l.number, plain(err))
			}
		case <-outcomes.failed:
			return nil // Close tells
		case <-progress.C:
			tell(cmd, "%d records stored so far", outcomes.count())
		case <-ctx.Done():
			return nil
		}
	}
}
