package index

import (
	"errors"
	"fmt"
)

// Query asks for an event at or after an offset of a partition that has one of the types, if any are given, and all of the tags.
type Query struct {
	Partition int32
	After     int64
	Types     [][]byte
	Tags      [][]byte
}

var (
	// ErrQuery is a query that names neither a type nor a tag: every event has what it asks for, so the partition's end answers it.
	ErrQuery = errors.New("query names neither a type nor a tag")
	// ErrBroad is a query that would look at too many events, mostly because none of its tags is rare where it begins.
	ErrBroad = errors.New("query is too broad")
)

// stepsMax bounds what queries may cost the goroutine that asks: some milliseconds in RAM, some tens of them on disk.
const stepsMax = 10_000

// Steps counts what queries look at that are to be bounded together. The zero value is the beginning. A type without a tag is a step; with one tag it is
// one for each type; with several tags, one for each event that has only some of them, as far as they must be looked at.
type Steps int

func (s *Steps) take() error {
	if *s++; *s > stepsMax {
		return fmt.Errorf("%w: %d steps did not suffice", ErrBroad, stepsMax)
	}
	return nil
}

func (q *Query) check() error {
	if len(q.Types) == 0 && len(q.Tags) == 0 {
		return ErrQuery
	}
	return nil
}
