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
	// ErrBroad is a query that would look at too many events: none of its tags is rare where it begins.
	ErrBroad = errors.New("query is too broad")
)

// stepsMax bounds what one query may cost the goroutine that asks: some milliseconds in RAM, some tens of them on disk. Only a query of two
// tags or more comes near it: with one at most, each type is a step.
const stepsMax = 10_000

// steps counts what a query looks at.
type steps int

func (s *steps) take() error {
	if *s++; *s > stepsMax {
		return fmt.Errorf("%w: it looked at %d events that have only some of its tags", ErrBroad, stepsMax)
	}
	return nil
}

func (q *Query) check() error {
	if len(q.Types) == 0 && len(q.Tags) == 0 {
		return ErrQuery
	}
	return nil
}
