package eventstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Part is what AppendAll takes: a [Write], or a [Condition].
type Part interface{ addTo(a *parts) }

// parts is what an append consists of.
type parts struct {
	writes     []Write
	conditions []Condition
}

func (w Write) addTo(p *parts)     { p.writes = append(p.writes, w) }
func (c Condition) addTo(p *parts) { p.conditions = append(p.conditions, c) }

// Condition lets an append pass only while no event of a query lies behind a cursor. [Unless] makes one.
type Condition struct {
	Query Query
	After Cursor
}

// Unless lets an append pass only if no event of a query was stored behind a cursor, which is where a decision had looked to: see [Store.Query].
// With the zero cursor, none may be stored at all. Where it was, nothing of the append is stored and the error is an ErrConditionFailed.
//
// A query without a Group looks at every partition, so it goes with a topic of one shard. In a topic of several shards, give the query the {group} of the
// streams; else the append is refused with ErrShards. A cursor that lies beyond the topic's end is ErrOffsetOutOfRange.
func Unless(q Query, after Cursor) Condition { return Condition{Query: q, After: after} }

// ConditionError names the condition that refused an append, and an event that it rules out. It is an ErrConditionFailed: nothing is stored. Go on
// reading from the condition's cursor, decide again and append again.
type ConditionError struct {
	Index     int // of the condition among those of the append
	Condition Condition
	Position  Position // of such an event, not necessarily the first; its epoch is not known
	Cause     error
}

func (e *ConditionError) Error() string {
	q := e.Condition.Query
	what := "any event"
	if len(q.Types) > 0 {
		what = "an event " + strings.Join(q.Types, " or ")
	}
	if len(q.Tags) > 0 {
		what += " tagged " + strings.Join(q.Tags, " and ")
	}
	return fmt.Sprintf("the append was to be stored unless there is %s behind %s, and there is one at %s: read on from that cursor and decide again", what, e.Condition.After, e.Position)
}

// Is makes errors.Is(err, ErrConditionFailed) true.
func (e *ConditionError) Is(target error) bool { return target == ErrConditionFailed }

func (e *ConditionError) Unwrap() error { return e.Cause }

// conditions says what conditions mean for each partition; of[i] is the one that the i-th comes from.
func (s *Store) conditions(p *parts) (all []commitlog.Condition, of []int, err error) {
	for i, c := range p.conditions {
		f, err := s.filter(c.Query)
		if err == nil {
			err = c.After.Check(s.topic)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("condition %d: %w", i, err)
		}
		if len(f.partitions) > 1 && s.topic.Shards > 1 {
			return nil, nil, &commitlog.ShardsError{
				Topic: s.topic.Name, Stream: p.writes[0].Stream, Other: fmt.Sprintf("the query of condition %d, which has no Group and so looks at all partitions,", i),
			}
		}
		if n := len(all) + len(f.partitions); n > wire.ConditionsMax {
			return nil, nil, &commitlog.InvalidError{Reason: fmt.Sprintf(
				"the queries of the append look at %d partitions, up to %d are possible: give the queries a Group, or create the topic with fewer partitions", n, wire.ConditionsMax)}
		}
		for _, partition := range f.partitions {
			after := int64(0)
			if int(partition) < len(c.After.Next) {
				after = c.After.Next[partition]
			}
			all, of = append(all, commitlog.Condition{Partition: partition, After: after, Types: f.types, Tags: f.tags}), append(of, i)
		}
	}
	return all, of, nil
}

// ruledOut tells in the words of the store what the log says of a condition.
func (s *Store) ruledOut(err error, p *parts, of []int) error {
	failed, ok := errors.AsType[*commitlog.ConditionError](err)
	if !ok || failed.Index >= len(of) {
		return err
	}
	i := of[failed.Index]
	return &ConditionError{Index: i, Condition: p.conditions[i], Position: s.positionOf(failed.Condition.Partition, failed.Offset, 0), Cause: err}
}
