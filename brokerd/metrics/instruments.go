package metrics

import (
	"context"
	"errors"
	"strconv"

	"github.com/strandlog/strand/brokerd/broker"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are all metrics of a node. docs/metrics.md is their table.
type instruments struct {
	appendDuration metric.Float64Histogram
	appendBytes    metric.Int64Counter
	appends        metric.Int64Counter

	ready, serving           metric.Int64ObservableGauge
	end, start               metric.Int64ObservableGauge
	epoch                    metric.Int64ObservableGauge
	log, queue, lag          metric.Int64ObservableGauge
	store, storeLimit        metric.Int64ObservableGauge
	free, total              metric.Int64ObservableGauge
	members, groupLag        metric.Int64ObservableGauge
	rebalances               metric.Int64ObservableCounter
	events, frames           metric.Int64ObservableCounter
	voidFrames, fenceBarrier metric.Int64ObservableCounter
}

// create makes the instruments, and has those that are read from the node filled when they are asked for.
func (m *Metrics) create(meter metric.Meter) error {
	var errs []error
	keep := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var observed []metric.Observable
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		keep(err)
		observed = append(observed, g)
		return g
	}
	total := func(name, unit, description string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		keep(err)
		observed = append(observed, c)
		return c
	}
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		keep(err)
		return c
	}
	var err error
	m.appendDuration, err = meter.Float64Histogram("brokerd.append.duration", metric.WithUnit("s"),
		metric.WithDescription("Time from the arrival of a request to append until its answer."),
		metric.WithExplicitBucketBoundaries(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
	keep(err)
	m.appendBytes = counter("brokerd.append.bytes", "By", "Bytes of requests to append.")
	m.appends = counter("brokerd.appends", "{append}", "Appends, and batches of producers, by what became of them.")

	m.ready = gauge("brokerd.ready", "", "1 while the node can store and all its shards serve.")
	m.serving = gauge("brokerd.shard.serving", "", "1 while the shard's sequencer serves on this node.")
	m.epoch = gauge("brokerd.epoch", "", "The epoch of the shard: it grows with every session of a sequencer.")
	m.end = gauge("brokerd.topic.partition.end_offset", "", "The offset behind the last record.")
	m.start = gauge("brokerd.topic.partition.start_offset", "", "The offset of the first record that is kept.")
	m.log = gauge("brokerd.log.bytes", "By", "The shard's log on disk.")
	m.queue = gauge("brokerd.queue.bytes", "By", "Appends that wait for their answer.")
	m.lag = gauge("brokerd.cache.lag.bytes", "By", "Committed batches that segments and index do not hold yet.")
	m.store = gauge("brokerd.store.bytes", "By", "All logs on disk.")
	m.storeLimit = gauge("brokerd.store.limit.bytes", "By", "What all logs may take.")
	m.free = gauge("brokerd.disk.free.bytes", "By", "Free on the volume of the logs, and on that of the caches.")
	m.total = gauge("brokerd.disk.size.bytes", "By", "The size of the same.")
	m.members = gauge("brokerd.group.members", "{member}", "Members of a consumer group that this node coordinates.")
	m.groupLag = gauge("brokerd.group.lag", "{record}", "Records that a group has not committed yet, of partitions of which this node has a copy.")
	m.rebalances = total("brokerd.group.rebalances", "{rebalance}", "Changes of a group's members and assignments, over its whole life.")
	m.events = total("brokerd.events", "{event}", "Events that were stored.")
	m.frames = total("brokerd.frames", "{frame}", "Frames that were written: one is one message of the engine, and one commit.")
	m.voidFrames = total("brokerd.frames.void", "{frame}", "Frames that the log holds and that do not count.")
	m.fenceBarrier = total("brokerd.barriers", "{frame}", "Frames by which a sequencer took over.")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = meter.RegisterCallback(m.collect, observed...)
	return err
}

// collect reads the node.
func (m *Metrics) collect(ctx context.Context, o metric.Observer) error {
	node := m.node.Load()
	if node == nil {
		o.ObserveInt64(m.ready, 0)
		return nil
	}
	st := (*node).Stats(ctx)
	o.ObserveInt64(m.ready, one(st.Ready))
	if st.LogTotal > 0 {
		o.ObserveInt64(m.store, st.Store)
		o.ObserveInt64(m.storeLimit, st.StoreMax)
	}
	for _, v := range []struct {
		name        string
		free, total int64
	}{{"log", st.LogFree, st.LogTotal}, {"caches", st.CacheFree, st.CacheTotal}} {
		if v.total > 0 {
			volume := metric.WithAttributes(attribute.String("volume", v.name))
			o.ObserveInt64(m.free, v.free, volume)
			o.ObserveInt64(m.total, v.total, volume)
		}
	}
	for i := range st.Shards {
		m.collectShard(o, &st.Shards[i])
	}
	for _, g := range st.Groups {
		group := attribute.String("group", g.Name)
		o.ObserveInt64(m.members, int64(g.Members), metric.WithAttributes(group))
		o.ObserveInt64(m.rebalances, int64(g.Epoch), metric.WithAttributes(group))
		for _, p := range g.Offsets {
			o.ObserveInt64(m.groupLag, p.Lag, metric.WithAttributes(group, attribute.String("topic", p.Topic), attribute.String("partition", strconv.Itoa(int(p.Partition)))))
		}
	}
	return nil
}

func (m *Metrics) collectShard(o metric.Observer, s *broker.ShardStats) {
	topic := attribute.String("topic", s.Topic)
	shard := metric.WithAttributes(topic, attribute.String("shard", strconv.Itoa(s.Shard)))
	for _, v := range []struct {
		gauge metric.Int64Observable
		value int64
	}{
		{m.serving, one(s.Serving)},
		{m.epoch, int64(s.Epoch)},
		{m.log, s.LogBytes},
		{m.queue, s.QueueBytes},
		{m.lag, s.LagBytes},
		{m.events, int64(s.Events)},
		{m.frames, int64(s.Frames)},
		{m.voidFrames, int64(s.VoidFrames)},
		{m.fenceBarrier, int64(s.Barriers)},
	} {
		o.ObserveInt64(v.gauge, v.value, shard)
	}
	for _, p := range s.Partitions {
		partition := metric.WithAttributes(topic, attribute.String("partition", strconv.FormatInt(p.Partition, 10)))
		o.ObserveInt64(m.end, p.End, partition)
		o.ObserveInt64(m.start, p.Start, partition)
	}
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
