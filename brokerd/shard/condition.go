package shard

import (
	"errors"
	"fmt"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/wire"
)

// A condition looks at what lies at or after an offset of a partition. An event that rules an append out will be there for ever, so a refusal because
// of a stored one is final at once. Because of one in flight it waits for that frame. That nothing rules the append out is proved by its own frame.

// checkConditions refuses conditions that no state of the log could make sense of.
func (c *Core) checkConditions(a *Append) (wire.AppendResult, bool) {
	if len(a.Conditions) > 0 && len(a.Writes) == 0 {
		return invalid(0, "conditions guard writes, and this append has none: read instead"), false
	}
	for i := range a.Conditions {
		cond := &a.Conditions[i]
		switch slot, ok := c.cfg.Layout.Slot(cond.Partition); {
		case !ok || slot >= len(c.state.Next):
			return invalid(0, fmt.Sprintf(
				"condition %d looks at partition %d, which is not served by shard %d of %d: an append and its conditions belong to one shard: give the streams one {group}, or create the topic with one shard",
				i, cond.Partition, c.cfg.Layout.Shard, c.cfg.Layout.Shards)), false
		case cond.After < 0:
			return invalid(0, fmt.Sprintf("condition %d looks from offset %d on: offsets count from 0", i, cond.After)), false
		}
	}
	return wire.AppendResult{}, true
}

// ruledOut answers an append one of whose conditions does not hold.
func (c *Core) ruledOut(a *Append, f *flight) (bool, error) {
	if done, err := c.ruledOutForEver(a); done || err != nil {
		return done, err
	}
	for i := range a.Conditions {
		cond := &a.Conditions[i]
		if end := c.committedEnd(cond.Partition); cond.After > end {
			// Whoever has read that far read it from the log of a later epoch, or has the cursor of another log. The frame tells which.
			f.attach(a, wire.AppendResult{
				Code: wire.OffsetRange, Write: i, Actual: end,
				Detail: fmt.Sprintf("condition %d looks from offset %d of partition %d on, which ends at %d: begin behind what was read", i, cond.After, cond.Partition, end),
			})
			return true, nil
		}
		c.overlay.terms.takeIn(c.window, f)
		if offset, seq, found := c.overlay.terms.find(cond); found {
			c.attach(seq, f, a, conditionFailed(i, offset))
			return true, nil
		}
	}
	return false, nil
}

// ruledOutForEver answers an append that a stored event rules out: no attempt of it that comes later can be stored either.
func (c *Core) ruledOutForEver(a *Append) (bool, error) {
	var spent index.Steps // the sequencer waits for all of them
	for i := range a.Conditions {
		offset, found, err := c.storedMatch(&a.Conditions[i], &spent)
		switch {
		case errors.Is(err, index.ErrBroad):
			c.reply(a, invalid(0, fmt.Sprintf("condition %d: %v: begin behind a newer cursor, or ask for a tag that fewer events have", i, err)))
			return true, nil
		case err != nil:
			return false, err
		case found:
			c.reply(a, conditionFailed(i, offset))
			return true, nil
		}
	}
	return false, nil
}

// storedMatch finds a stored event that a condition rules out. One that looks from the end on, as most do, costs nothing.
func (c *Core) storedMatch(cond *wire.Condition, spent *index.Steps) (offset int64, found bool, err error) {
	end := c.committedEnd(cond.Partition)
	switch {
	case cond.After >= end:
		return 0, false, nil
	case len(cond.Types) == 0 && len(cond.Tags) == 0:
		return end - 1, true, nil
	}
	return c.mat.Match(cond, spent)
}

// committedEnd is the high watermark of a partition of the shard.
func (c *Core) committedEnd(partition int32) int64 {
	slot, _ := c.cfg.Layout.Slot(partition)
	return c.state.Next[slot]
}

func conditionFailed(condition int, offset int64) wire.AppendResult {
	return wire.AppendResult{Code: wire.ConditionFailed, Write: condition, Actual: offset}
}

// Match finds a stored event that a condition rules out, provided that it names types or tags.
func (s *store) Match(cond *wire.Condition, spent *index.Steps) (offset int64, found bool, err error) {
	if err := s.settle(cond.Partition); err != nil {
		return 0, false, err
	}
	q := index.Query{Partition: cond.Partition, After: cond.After, Types: cond.Types, Tags: cond.Tags}
	for _, t := range s.tails() {
		if offset, found, err = t.Find(q, spent); found || err != nil {
			return offset, found, err
		}
	}
	offset, found, err = s.db.Find(q, spent)
	if errors.Is(err, index.ErrBroad) {
		return 0, false, err
	}
	return offset, found, s.unusable(err)
}
