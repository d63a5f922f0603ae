package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

// membership is reading as a member of a group. What is written counts as processed.
type membership struct {
	group string
	flush func() error // of what the writer has written

	mu        sync.Mutex // of the output, which all partitions share
	out       recordWriter
	remaining int64 // records; 0, and counting down from there: there is no bound
	full      bool  // as many were written as are wanted
}

// groupStopTimeout is what a record that is being written may take to end, when the command is to stop.
const groupStopTimeout = stopTimeout / 2

// checkMembership refuses what is for those who read by themselves.
func (q *consumption) checkMembership() error {
	switch {
	case len(q.partitions) > 0:
		return misused("--partition: the group says which partitions its members read: leave it out")
	case q.from.offset != nil:
		return misused("--from %s: a group goes on where it has committed: brokerd groups reset-offsets %s --to %[1]s sets that", q.from.text, q.group)
	}
	return checkGroup(q.group)
}

// runGroup reads as a member of a group until ctx ends, or as many records were written as are wanted.
func (q *consumption) runGroup(ctx context.Context, client *commitlog.Client, t commitlog.Topic, out recordWriter, flush func() error) error {
	if t.ProducerTime && q.from.time != nil {
		return refuseProducerTime(t)
	}
	m := &membership{group: q.group, flush: flush, out: out, remaining: q.max}
	if err := m.show(); err != nil { // the titles, so that one sees that it waits
		return err
	}
	options := []commitlog.JoinOption{commitlog.Member(commitlog.MemberConfig{StopTimeout: groupStopTimeout})}
	switch {
	case q.from.latest:
		options = append(options, commitlog.FromLatest())
	case q.from.time != nil:
		options = append(options, commitlog.FromTime(*q.from.time))
	}
	err := commitlog.Join(ctx, client, q.group, commitlog.Bytes(t.Name), m.read, options...)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // Ctrl-C, which is how it is stopped, before it was a member
		return nil
	}
	return err
}

// read shows the records of one partition.
func (m *membership) read(ctx context.Context, p *commitlog.Partition[[]byte]) error {
	for r, err := range p.Records(ctx) {
		if lost, ok := errors.AsType[*commitlog.OffsetRangeError](err); ok {
			return failed(exitNotFound, err, "group %q goes on at offset %d of topic %q, partition %d, which holds %d to %d: what came next was deleted\n  brokerd groups reset-offsets %[1]s --topic %[3]s --partition %[4]d --to earliest --force",
				m.group, lost.Offset, lost.Topic, lost.Partition, lost.Start, lost.End)
		}
		if err != nil {
			return err
		}
		more, err := m.write(p, &r.Record)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// write shows a record. It is with the reader before it counts as processed.
func (m *membership) write(p *commitlog.Partition[[]byte], r *commitlog.Record) (more bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return false, nil
	}
	if err := m.out.write(r); err != nil {
		return false, fmt.Errorf("writing a record: %w", err)
	}
	if err := m.show(); err != nil {
		return false, fmt.Errorf("writing a record: %w", err)
	}
	if m.remaining--; m.remaining == 0 {
		m.full = true
		p.Processed(r.Offset+1, r.Epoch)
	}
	return !m.full, nil
}

// show writes what is held back.
func (m *membership) show() error { return errors.Join(m.out.flush(), m.flush()) }
