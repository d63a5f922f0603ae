package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"

	"github.com/strandlog/strand/brokerd/engine"
	"github.com/strandlog/strand/brokerd/shard"
	"github.com/strandlog/strand/brokerd/topics"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// VerifyReport is what a verification found. Damage means that at least one finding is not sound.
type VerifyReport struct {
	Damage  bool            `json:"damage"`
	Records int64           `json:"records"`
	Bytes   int64           `json:"bytes"`
	Topics  []VerifiedTopic `json:"topics"`
}

// VerifiedTopic is what was found of one topic.
type VerifiedTopic struct {
	Topic      string              `json:"topic"`
	Kind       string              `json:"kind"`
	Partitions []VerifiedPartition `json:"partitions"`
	Unchecked  int64               `json:"uncheckedVersions,omitempty"` // records of more streams than versions are kept of
	Damage     []string            `json:"damage,omitempty"`
}

// VerifiedPartition is one partition as far as it is sound.
type VerifiedPartition struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
	Records   int64 `json:"records"`
	Bytes     int64 `json:"bytes"`
	Cached    int64 `json:"cached"` // records that segments and index were compared for
}

func (r *VerifyReport) add(t VerifiedTopic) {
	r.Topics = append(r.Topics, t)
	r.Damage = r.Damage || len(t.Damage) > 0
	for _, p := range t.Partitions {
		r.Records += p.Records
		r.Bytes += p.Bytes
	}
}

// VerifyProgress is told how far a verification has come.
type VerifyProgress func(topic string, records, bytes int64)

// every how many records progress is told.
const progressRecords = 100_000

// VerifyDir walks everything in the data directory of a node that does not run: the log of every topic, and its segments and index against it. The log
// is only read. An error means that the report is not complete; ErrLocked: that a node runs.
func VerifyDir(ctx context.Context, dir string, progress VerifyProgress) (VerifyReport, error) {
	var report VerifyReport
	b := &Broker{dir: dir}
	if _, err := os.Stat(identityPath(dir)); err != nil {
		return report, fmt.Errorf("%s is not the data directory of a node: %w", dir, err)
	}
	if err := b.openDir(); err != nil {
		return report, err
	}
	defer b.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it gives back the lock
	id, err := loadIdentity(dir)
	if err != nil {
		return report, err
	}
	v := verifying{ctx: ctx, dir: dir, progress: progress}
	var events []topics.Event
	each := func(_ int32, r recordbatch.Record) { events = append(events, catalogueEvent(r)) }
	found, err := v.topic(catalogueTopic(id), each)
	if err != nil {
		return report, err
	}
	report.add(found)
	list, err := topics.Read(ctx, eventList(events))
	if err != nil {
		report.Topics[0].Damage = append(report.Topics[0].Damage, err.Error())
		report.Damage = true
		return report, nil
	}
	for _, t := range list {
		if t.State == topics.Gone {
			continue
		}
		found, err := v.topic(t, nil)
		if err != nil {
			return report, err
		}
		report.add(found)
	}
	return report, nil
}

// eventList is a catalogue that was read elsewhere.
type eventList []topics.Event

func (l eventList) Append(context.Context, string, int64, string, []byte) error {
	return errors.ErrUnsupported
}

func (l eventList) Live(ctx context.Context) iter.Seq2[topics.Event, error] { return l.Events(ctx) }

func (l eventList) Events(context.Context) iter.Seq2[topics.Event, error] {
	return func(yield func(topics.Event, error) bool) {
		for _, e := range l {
			if !yield(e, nil) {
				return
			}
		}
	}
}

type verifying struct {
	ctx      context.Context //nolint:containedctx // of one call
	dir      string
	progress VerifyProgress
}

func (v *verifying) topic(t topics.Topic, each func(int32, recordbatch.Record)) (VerifiedTopic, error) {
	out := VerifiedTopic{Topic: t.Name, Kind: t.Kind}
	for i := range t.Shards {
		stream := engineStream(t, i).Name
		exists, err := engine.HasStream(logDir(v.dir), stream)
		if err != nil {
			return out, err
		}
		if !exists {
			if t.State == topics.Ready {
				out.Damage = append(out.Damage, fmt.Sprintf("shard %d: its log is missing", i))
			}
			continue
		}
		var records, bytes int64
		found, err := shard.Verify(v.ctx, shard.VerifyConfig{
			Log: inspected(logDir(v.dir), stream),
			Dir: filepath.Join(v.dir, "shards", t.ID.String()+"-"+strconv.Itoa(i)), LogID: t.LogID, Kind: t.Kind,
			Layout: shard.Layout{Shard: i, Shards: t.Shards, Partitions: t.Partitions},
			Each: func(partition int32, r recordbatch.Record) {
				if each != nil {
					each(partition, r)
				}
				records++
				bytes += int64(r.Len)
				if v.progress != nil && records%progressRecords == 0 {
					v.progress(t.Name, records, bytes)
				}
			},
		})
		if err != nil {
			return out, fmt.Errorf("verifying shard %d of topic %q: %w", i, t.Name, err)
		}
		for _, p := range found.Partitions {
			out.Partitions = append(out.Partitions, VerifiedPartition(p))
		}
		for _, d := range found.Damage {
			out.Damage = append(out.Damage, fmt.Sprintf("shard %d: %s", i, d))
		}
		out.Unchecked += found.Unchecked
	}
	if v.progress != nil {
		v.progress(t.Name, -1, 0)
	}
	return out, nil
}

func inspected(dir, stream string) iter.Seq2[shard.Message, error] {
	return func(yield func(shard.Message, error) bool) {
		for m, err := range engine.Inspect(dir, stream) {
			if !yield(shard.Message{Seq: m.Seq, Data: m.Data}, err) {
				return
			}
		}
	}
}

// versionsMax is the number of streams of a live topic whose versions are checked at once.
const versionsMax = 4 << 20

// VerifyServer is [VerifyLive] of the node at a URL.
func VerifyServer(ctx context.Context, url string, progress VerifyProgress) (VerifyReport, error) {
	client, err := commitlog.Dial(ctx, url)
	if err != nil {
		return VerifyReport{}, err
	}
	report, err := VerifyLive(ctx, client, progress)
	return report, errors.Join(err, client.Close())
}

// VerifyLive reads everything that a running node holds, as any client would: checksums, offsets without a gap, versions without a gap.
func VerifyLive(ctx context.Context, client *commitlog.Client, progress VerifyProgress) (VerifyReport, error) {
	var report VerifyReport
	list, err := client.Topics(ctx)
	if err != nil {
		return report, err
	}
	for _, t := range list {
		out := VerifiedTopic{Topic: t.Name, Kind: string(t.Kind)}
		versions := shard.NewVersions(versionsMax)
		for i, at := range t.Partitions {
			p := VerifiedPartition{Partition: int32(i), Start: at.Start, End: at.Start}
			for r, err := range client.Records(ctx, t, int32(i), commitlog.Range{From: at.Start, To: at.End}) {
				if err == nil {
					err = p.take(&r, t.Kind, versions)
				}
				if errors.Is(err, commitlog.ErrCorrupt) || errors.Is(err, commitlog.ErrLogDiverged) {
					out.Damage = append(out.Damage, err.Error())
					break
				}
				if err != nil {
					return report, err
				}
				if progress != nil && p.Records%progressRecords == 0 {
					progress(t.Name, p.Records, p.Bytes)
				}
			}
			if p.End != at.End && len(out.Damage) == 0 {
				out.Damage = append(out.Damage, fmt.Sprintf("partition %d: it ends at offset %d and should at %d", i, p.End, at.End))
			}
			out.Partitions = append(out.Partitions, p)
		}
		out.Unchecked = versions.Unchecked
		report.add(out)
		if progress != nil {
			progress(t.Name, -1, 0)
		}
	}
	return report, nil
}

// take checks the next record of a live partition.
func (p *VerifiedPartition) take(r *commitlog.Record, kind commitlog.Kind, versions *shard.Versions) error {
	corrupt := func(cause error) error {
		return &commitlog.CorruptError{Partition: r.Partition, Offset: r.Offset, Cause: cause}
	}
	if kind == commitlog.Versioned {
		if r.Offset != p.End {
			return corrupt(fmt.Errorf("offset %d stands where %d is due", r.Offset, p.End))
		}
		version := int64(0)
		for _, h := range r.Headers {
			if h.Key == wire.HeaderVersion && len(h.Value) == 8 {
				version = int64(binary.BigEndian.Uint64(h.Value))
			}
		}
		if err := versions.Next(r.Partition, string(r.Key), version); err != nil {
			return corrupt(err)
		}
	}
	p.End = r.Offset + 1
	p.Records++
	p.Bytes += int64(len(r.Key) + len(r.Value))
	return nil
}
