package eventstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/strandlog/strand/commitlog"
)

// Records yields a partition.
func (m *Memory) Records(ctx context.Context, topic commitlog.Topic, partition int32, r commitlog.Range) iter.Seq2[commitlog.Record, error] {
	return func(yield func(commitlog.Record, error) bool) {
		if err := m.records(ctx, topic, partition, r, yield); err != nil {
			yield(commitlog.Record{}, err)
		}
	}
}

// records returns the error that ends the sequence, nil also when the reader has left.
func (m *Memory) records(ctx context.Context, topic commitlog.Topic, partition int32, r commitlog.Range, yield func(commitlog.Record, error) bool) error {
	records, changed, err := m.snapshot(topic, partition)
	end := int64(len(records))
	switch r.From {
	case commitlog.Earliest:
		r.From = 0 // nothing is ever deleted
	case commitlog.Latest:
		r.From = end
	}
	switch {
	case err != nil:
		return err
	case r.From < 0:
		return &commitlog.OffsetRangeError{Topic: topic.Name, Partition: partition, Offset: r.From, End: end}
	case r.To != 0 && r.To <= r.From:
		return nil
	case r.From > end:
		return &commitlog.OffsetRangeError{Topic: topic.Name, Partition: partition, Offset: r.From, End: end}
	}
	to := cmp.Or(r.To, math.MaxInt64)
	if !r.Live {
		to = min(to, end)
	}
	for next := r.From; ; {
		for ; next < min(to, int64(len(records))); next++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !yield(records[next], nil) {
				return nil
			}
		}
		if next >= to {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if records, changed, err = m.snapshot(topic, partition); err != nil {
			return err
		}
	}
}

// snapshot returns what a partition holds and what is closed by the next append.
func (m *Memory) snapshot(topic commitlog.Topic, partition int32) ([]commitlog.Record, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.find(topic)
	if err != nil {
		return nil, nil, err
	}
	if partition < 0 || int(partition) >= len(t.partitions) {
		return nil, nil, &commitlog.InvalidError{Reason: fmt.Sprintf("topic %q has partitions 0 to %d, not %d", topic.Name, len(t.partitions)-1, partition)}
	}
	return t.partitions[partition], t.changed, nil
}

// Stream yields a stream. Every read is strict: there is one node, and it has everything.
func (m *Memory) Stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) iter.Seq2[commitlog.StreamRecord, error] {
	return func(yield func(commitlog.StreamRecord, error) bool) {
		records, err := m.stream(ctx, topic, q)
		if err != nil {
			yield(commitlog.StreamRecord{}, err)
			return
		}
		for _, r := range records {
			if err := ctx.Err(); err != nil {
				yield(commitlog.StreamRecord{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (m *Memory) stream(ctx context.Context, topic commitlog.Topic, q commitlog.StreamQuery) ([]commitlog.StreamRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := commitlog.CheckStream(q.Stream); err != nil {
		return nil, err
	}
	if q.From < 0 {
		return nil, &commitlog.InvalidError{Reason: fmt.Sprintf("stream %q from version %d: versions count from 1", q.Stream, q.From)}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t, err := m.find(topic)
	if err != nil {
		return nil, err
	}
	s := t.stream(q.Stream)
	first, last := max(q.From, 1), int64(len(s.offsets))
	if q.CommandID != "" {
		if err := checkCommandID(q.CommandID); err != nil {
			return nil, err
		}
		c := s.commands[q.CommandID]
		first, last = c.first, c.first+int64(c.count)-1
	}
	var records []commitlog.StreamRecord
	for v := first; v <= last; v++ {
		records = append(records, t.record(s, v))
	}
	return records, nil
}
