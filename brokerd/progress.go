package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// progress is how far a group is in one partition.
type progress struct {
	Topic     string     `json:"topic"` // empty: it was deleted
	TopicID   uuid.UUID  `json:"topicId"`
	Partition int32      `json:"partition"`
	State     string     `json:"state"`     // of the partition; deleted
	Committed *int64     `json:"committed"` // nil: nothing is
	Start     *int64     `json:"start"`     // nil, as the next two, while the partition does not serve
	End       *int64     `json:"end"`
	Lag       *int64     `json:"lag"`   // records that are there to be read
	LagMS     *int64     `json:"lagMs"` // how old the first of them is; nil: there is none, or it cannot be told
	Member    *uuid.UUID `json:"member"`
	Detail    string     `json:"detail,omitempty"` // what is wrong with the partition, or with the place
}

// stateDeleted is the state of a partition whose topic is not there any more.
const stateDeleted = "deleted"

// progressOf lists all partitions of the topics in which a group has committed something, or has members.
func (index topicIndex) progressOf(g commitlog.Group) []progress {
	type place struct {
		topic     uuid.UUID
		partition int32
	}
	known := map[place]*progress{}
	find := func(topic uuid.UUID, partition int32) *progress {
		at := place{topic, partition}
		if known[at] == nil {
			known[at] = &progress{TopicID: topic, Partition: partition, State: stateDeleted}
		}
		return known[at]
	}
	all := func(topic uuid.UUID) {
		for partition := range index[topic].Partitions {
			find(topic, int32(partition))
		}
	}
	for _, o := range g.Offsets {
		all(o.Topic)
		if o.Offset != commitlog.NoOffset {
			find(o.Topic, o.Partition).Committed = new(o.Offset)
		}
	}
	for _, m := range g.Members {
		for _, a := range slices.Concat(m.Assigned, m.Revoked) {
			all(a.Topic)
			find(a.Topic, a.Partition).Member = new(m.ID)
		}
	}
	list := make([]progress, 0, len(known))
	for _, p := range known {
		if t, there := index[p.TopicID]; there && int(p.Partition) < len(t.Partitions) {
			p.measure(t)
		}
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b progress) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), slices.Compare(a.TopicID[:], b.TopicID[:]), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// measure compares the place with what the partition holds.
func (p *progress) measure(t commitlog.Topic) {
	info := t.Partitions[p.Partition]
	p.Topic, p.State = t.Name, cmp.Or(info.State, "unknown")
	if info.State != commitlog.Serving {
		p.Detail = info.Detail
		return
	}
	p.Start, p.End = new(info.Start), new(info.End)
	p.Lag = new(max(info.End-p.next(), 0))
	switch {
	case p.Committed == nil:
	case p.lost():
		p.Detail = "what comes next was deleted: members that read on here fail"
	case *p.Committed > info.End:
		p.Detail = "the partition ends before what is committed: it lost records, or was restored"
	}
}

// next is the first record that is there to be read, of a partition that serves. Where nothing is committed a group begins at the start, unless its
// members say otherwise.
func (p *progress) next() int64 {
	if p.Committed == nil {
		return *p.Start
	}
	return max(*p.Committed, *p.Start)
}

// lost says that records were deleted that the group would have read next.
func (p *progress) lost() bool {
	return p.Start != nil && p.Committed != nil && *p.Committed < *p.Start
}

// age sets how old the first unread records are.
func (index topicIndex) age(ctx context.Context, client *commitlog.Client, all []progress) error {
	return fanOut(ctx, len(all), func(ctx context.Context, i int) error {
		p := &all[i]
		if p.Lag == nil || *p.Lag == 0 {
			return nil
		}
		next := p.next()
		for r, err := range client.Records(ctx, index[p.TopicID], p.Partition, commitlog.Range{From: next, To: next + 1}) {
			switch {
			case errors.Is(err, commitlog.ErrOffsetOutOfRange), errors.Is(err, commitlog.ErrUnknownTopic), errors.Is(err, commitlog.ErrUnavailable):
				return nil // it was deleted meanwhile, or the partition moves
			case err != nil:
				return err
			}
			p.LagMS = new(max(time.Since(r.Time), 0).Milliseconds())
		}
		return nil
	})
}
