package shard

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
	"pgregory.net/rapid"
)

// What the model does with conditions: it draws them, and judges by the log alone whether they held.

// drawEvent is an event of one of two types, with some of two tags.
func drawEvent(t *rapid.T, id uuid.UUID) wire.Event {
	return eventOf(id, rapid.SampledFrom([]string{"x", "y"}).Draw(t, "type"), drawTerms(t, "tags", "t", "u")...)
}

func eventOf(id uuid.UUID, kind string, tags ...string) wire.Event {
	e := wire.Event{ID: id, Value: []byte("value"), HeaderCount: 1, Headers: recordbatch.AppendHeader(nil, wire.HeaderType, []byte(kind))}
	for _, tag := range tags {
		e.HeaderCount++
		e.Headers = recordbatch.AppendHeader(e.Headers, wire.HeaderTag, []byte(tag))
	}
	return e
}

func drawTerms(t *rapid.T, what string, from ...string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID[string]).Draw(t, what)
}

func termsFor(names ...string) (terms [][]byte) {
	for _, name := range names {
		terms = append(terms, []byte(name))
	}
	return terms
}

// drawConditions begin near the end of what is stored.
func (c *cluster) drawConditions(t *rapid.T) (conditions []wire.Condition) {
	records, err := c.valid(true)
	c.check(err)
	var ends [3]int64
	for _, r := range records {
		ends[r.Partition] = r.Offset + 1
	}
	for range rapid.IntRange(1, 2).Draw(t, "conditions") {
		p := rapid.Int32Range(0, 2).Draw(t, "partition")
		conditions = append(conditions, wire.Condition{
			Partition: p, After: max(0, ends[p]+rapid.Int64Range(-3, 1).Draw(t, "after")),
			Types: termsFor(drawTerms(t, "types", "x", "y")...), Tags: termsFor(drawTerms(t, "all of", "t", "u")...),
		})
	}
	return conditions
}

// acknowledgedEnds is how far the partitions of conditions reach by what clients were told.
func (c *cluster) acknowledgedEnds(conditions []wire.Condition) []int64 {
	ends := make([]int64, len(conditions))
	for _, o := range c.ops {
		if !o.done || o.indefinite || o.result.Code != wire.OK {
			continue
		}
		for i := range conditions {
			for _, at := range o.result.Writes {
				if at.Partition == conditions[i].Partition {
					ends[i] = max(ends[i], at.FirstOffset+int64(at.Count))
				}
			}
		}
	}
	return ends
}

// checkRuledOut checks that the event which an answer names is stored, and is what the condition rules out.
func (c *cluster) checkRuledOut(o *op, r *wire.AppendResult) error {
	records, err := c.valid(true)
	if err != nil {
		return err
	}
	cond := &o.conditions[r.Write]
	for i := range records {
		if records[i].Partition == cond.Partition && records[i].Offset == r.Actual && records[i].ruledOutBy(cond) {
			return nil
		}
	}
	return fmt.Errorf("op %d/%d was answered that offset %d of partition %d rules it out, which is not so", o.producer, o.sequence, r.Actual, cond.Partition)
}

// verifyConditions checks that there is an order of the stored appends, that of the log, in which every condition held when its turn came.
// The log gives the order of frames and, within a partition, of records. Within a frame any order of appends will do, but there must be one.
func (c *cluster) verifyConditions(records []storedRecord) error {
	ops := map[uuid.UUID]*op{}
	for _, o := range c.ops {
		for _, w := range o.writes() {
			for i := range w.Events {
				ops[w.Events[i].ID] = o
			}
		}
	}
	frames := map[uint64]map[*op]bool{}
	before := map[*op][]*op{} // within a frame: who must come later
	newest := map[int32]*storedRecord{}
	for i := range records {
		r := &records[i]
		if frames[r.Seq] == nil {
			frames[r.Seq] = map[*op]bool{}
		}
		o := ops[r.ID]
		frames[r.Seq][o] = true
		if last := newest[r.Partition]; last != nil && last.Seq == r.Seq && ops[last.ID] != o {
			before[ops[last.ID]] = append(before[ops[last.ID]], o)
		}
		newest[r.Partition] = r
	}
	for seq, frame := range frames {
		for o := range frame {
			for i := range o.conditions {
				for j := range records {
					r := &records[j]
					other := ops[r.ID]
					if other == o || r.Seq > seq || !r.ruledOutBy(&o.conditions[i]) {
						continue
					}
					if r.Seq < seq {
						return fmt.Errorf("op %d/%d is stored in frame %d, although its condition %d rules out offset %d of partition %d, stored in frame %d",
							o.producer, o.sequence, seq, i, r.Offset, r.Partition, r.Seq)
					}
					before[o] = append(before[o], other)
				}
			}
		}
		if o := cycle(frame, before); o != nil {
			return fmt.Errorf("frame %d: the conditions of op %d/%d and of others in the frame cannot all have held", seq, o.producer, o.sequence)
		}
	}
	return nil
}

// cycle returns an op that must come before itself.
func cycle(ops map[*op]bool, before map[*op][]*op) *op {
	const entered, left = 1, 2
	state := map[*op]int{}
	var visit func(o *op) bool
	visit = func(o *op) bool {
		switch state[o] {
		case entered:
			return true
		case left:
			return false
		}
		state[o] = entered
		if slices.ContainsFunc(before[o], visit) {
			return true
		}
		state[o] = left
		return false
	}
	for o := range ops {
		if visit(o) {
			return o
		}
	}
	return nil
}
