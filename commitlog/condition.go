package commitlog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/strandlog/strand/internal/wire"
)

// Condition holds as long as no event with one of the types and all of the tags lies at or after an offset of a partition. An event's type is its header
// "type"; its tags are its headers "tag", one for each.
//
// A condition looks at the log, not at streams: it guards a decision that was made on the events of many streams, or on the absence of any. Take After
// from what was read before the decision: the offset behind the last record that was looked at.
type Condition struct {
	Partition int32    // of the shard that the append is for
	After     int64    // the first offset that it looks at; beyond the end of the partition it is refused, with ErrOffsetOutOfRange
	Types     []string // none: any type
	Tags      []string // none: any tags
}

func (c *Condition) String() string {
	what := "no event"
	if len(c.Types) > 0 {
		what += " of type " + quoted(c.Types, " or ")
	}
	if len(c.Tags) > 0 {
		what += " tagged " + quoted(c.Tags, " and ")
	}
	return fmt.Sprintf("%s from offset %d of partition %d on", what, c.After, c.Partition)
}

// clone shares nothing with the caller's memory.
func (c Condition) clone() Condition {
	c.Types, c.Tags = slices.Clone(c.Types), slices.Clone(c.Tags)
	return c
}

func quoted(names []string, between string) string {
	q := make([]string, len(names))
	for i, name := range names {
		q[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(q, between)
}

// ConditionError refuses an append: an event that one of its conditions rules out is stored, and nothing of the append is or will be. Read on from
// where the condition looks, decide again, append again.
type ConditionError struct {
	Topic     string
	Index     int // of the condition, in Append.Conditions
	Condition Condition
	Offset    int64 // of such an event, not necessarily the first
}

func (e *ConditionError) Error() string {
	return fmt.Sprintf("commitlog: the append to topic %q wants %s, and there is one at offset %d: read on from offset %d and decide again",
		e.Topic, &e.Condition, e.Offset, e.Condition.After)
}

// Is reports whether target is ErrConditionFailed.
func (e *ConditionError) Is(target error) bool { return target == ErrConditionFailed }

// ShardsError refuses an append that concerns more than one shard of its topic. It is an ErrInvalid, too.
type ShardsError struct {
	Topic  string
	Stream string // the append's first
	Other  string // what lies in another shard: a stream, or what a condition looks at
}

func (e *ShardsError) Error() string {
	return fmt.Sprintf("commitlog: stream %q and %s belong to different shards of topic %q, which an append cannot span: give all names the same {group}, or create the topic with one shard",
		e.Stream, e.Other, e.Topic)
}

// Is reports whether target is ErrShards or ErrInvalid.
func (e *ShardsError) Is(target error) bool { return target == ErrShards || target == ErrInvalid }

// CheckConditions refuses conditions that no broker would evaluate for an append to streams of a shard. Errors: ErrInvalid, ErrShards, ErrInvalidName,
// ErrAppendTooLarge. It is for implementations of the log.
func CheckConditions(t Topic, a Append, shard int) error {
	if len(a.Conditions) > wire.ConditionsMax {
		return &TooLargeError{What: "conditions", Size: len(a.Conditions), Max: wire.ConditionsMax}
	}
	for i := range a.Conditions {
		c := &a.Conditions[i]
		switch {
		case c.Partition < 0 || int(c.Partition) >= len(t.Partitions):
			return &InvalidError{Reason: fmt.Sprintf("condition %d: topic %q has partitions 0 to %d, not %d", i, t.Name, len(t.Partitions)-1, c.Partition)}
		case c.After < 0:
			return &InvalidError{Reason: fmt.Sprintf("condition %d looks from offset %d on: offsets count from 0", i, c.After)}
		case wire.ShardOf(c.Partition, max(t.Shards, 1)) != shard:
			return &ShardsError{Topic: t.Name, Stream: a.Writes[0].Stream, Other: fmt.Sprintf("partition %d, which condition %d looks at,", c.Partition, i)}
		}
		if err := checkTerms("event type", "types of one condition", c.Types); err != nil {
			return err
		}
		if err := checkTerms("tag", "tags of one condition", c.Tags); err != nil {
			return err
		}
	}
	return nil
}

func checkTerms(what, many string, terms []string) error {
	if len(terms) > wire.TermsMax {
		return &TooLargeError{What: many, Size: len(terms), Max: wire.TermsMax}
	}
	for _, term := range terms {
		if err := checkTerm(what, term); err != nil {
			return err
		}
	}
	return nil
}

func checkTerm[S string | []byte](what string, term S) error {
	if len(term) > 0 && len(term) <= wire.TermBytesMax {
		return nil
	}
	return &NameError{What: what, Name: string(term), Reason: fmt.Sprintf("it has %d bytes, and conditions name 1 to %d", len(term), wire.TermBytesMax)}
}

// CheckHeaders refuses types and tags of an event that no condition could name. It is for implementations of the log.
func CheckHeaders(headers []Header) error {
	tags := 0
	for i := range headers {
		switch h := &headers[i]; h.Key {
		case wire.HeaderTag:
			if err := checkTerm("tag", h.Value); err != nil {
				return err
			}
			tags++
		case wire.HeaderType:
			if err := checkTerm("event type", h.Value); err != nil && len(h.Value) > 0 {
				return err
			}
		}
	}
	if tags > wire.TermsMax {
		return &TooLargeError{What: "tags of one event", Size: tags, Max: wire.TermsMax}
	}
	return nil
}
