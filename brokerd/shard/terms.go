package shard

import (
	"fmt"
	"slices"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// termsOf reads what conditions find an event by. The tags are appended to a slice; all are views. Of several types the last counts, as for readers.
// What is too long for a condition to name is left out.
func termsOf(h recordbatch.Headers, tags [][]byte) (kind []byte, _ [][]byte) {
	for key, value := range h.All() {
		switch string(key) {
		case wire.HeaderType:
			if kind = value; !index.Nameable(kind) {
				kind = nil
			}
		case wire.HeaderTag:
			if index.Nameable(value) {
				tags = append(tags, value)
			}
		}
	}
	return kind, tags
}

// checkTerm refuses a type or a tag that no condition could name.
func checkTerm(key string, value []byte) error {
	if len(value) <= wire.TermBytesMax && (len(value) > 0 || key == wire.HeaderType) {
		return nil
	}
	return fmt.Errorf("a header %q of %d bytes: conditions could not name it, at most %d are possible", key, len(value), wire.TermBytesMax)
}

// inflightTerms finds events of frames in flight by type and tags. Nobody asks while no append has conditions, so it takes the events in
// when somebody does; without conditions it costs nothing.
type inflightTerms struct {
	events []inflightEvent
	by     map[inflightTerm][]int // numbers of events, ascending
	upTo   map[*flight]int        // replies of each flight that were looked at
}

type inflightEvent struct {
	seq    uint64 // of the frame
	offset int64
	kind   []byte
	tags   [][]byte
}

// inflightTerm is a type or a tag of a partition. The empty type stands for any.
type inflightTerm struct {
	partition int32
	tag       bool
	name      string
}

func newInflightTerms() inflightTerms {
	return inflightTerms{by: map[inflightTerm][]int{}, upTo: map[*flight]int{}}
}

// reset forgets everything. What is still in flight is taken in again when somebody asks.
func (t *inflightTerms) reset() {
	if len(t.upTo) == 0 {
		return
	}
	t.events = nil
	clear(t.by)
	clear(t.upTo)
}

// takeIn takes in what came since the last time: the events of the window and of the frame that is being built.
func (t *inflightTerms) takeIn(window []*flight, building *flight) {
	for _, f := range window {
		t.takeInFlight(f)
	}
	t.takeInFlight(building)
}

func (t *inflightTerms) takeInFlight(f *flight) {
	for _, r := range f.replies[t.upTo[f]:] {
		if !r.stores() {
			continue
		}
		for i := range r.Append.Writes {
			at := &r.Result.Writes[i]
			for j := range r.Append.Writes[i].Events {
				t.add(f.frame.Seq, at.Partition, at.FirstOffset+int64(j), &r.Append.Writes[i].Events[j])
			}
		}
	}
	if n := len(f.replies); n > 0 { // a frame without answers is never sent
		t.upTo[f] = n
	}
}

// stores says whether the events of the append are in the frame that the answer waits for.
func (r *Reply) stores() bool { return r.Result.Code == wire.OK && !r.Result.Duplicate }

func (t *inflightTerms) add(seq uint64, partition int32, offset int64, e *wire.Event) {
	h, err := recordbatch.ParseHeaders(e.Headers, e.HeaderCount)
	if err != nil {
		return // it was checked when the append was admitted
	}
	event := inflightEvent{seq: seq, offset: offset}
	event.kind, event.tags = termsOf(h, nil)
	number := len(t.events)
	t.events = append(t.events, event)
	note := func(term inflightTerm) {
		if list := t.by[term]; len(list) == 0 || list[len(list)-1] != number {
			t.by[term] = append(list, number)
		}
	}
	note(inflightTerm{partition: partition})
	if event.kind != nil {
		note(inflightTerm{partition: partition, name: string(event.kind)})
	}
	for _, tag := range event.tags {
		note(inflightTerm{partition: partition, tag: true, name: string(tag)})
	}
}

// find finds the newest event in flight that a condition rules out, and its frame.
func (t *inflightTerms) find(cond *wire.Condition) (offset int64, seq uint64, found bool) {
	var lists [][]int
	switch {
	case len(cond.Tags) > 0: // those of the rarest tag
		shortest := t.by[inflightTerm{partition: cond.Partition, tag: true, name: string(cond.Tags[0])}]
		for _, tag := range cond.Tags[1:] {
			if list := t.by[inflightTerm{partition: cond.Partition, tag: true, name: string(tag)}]; len(list) < len(shortest) {
				shortest = list
			}
		}
		lists = append(lists, shortest)
	case len(cond.Types) > 0:
		for _, kind := range cond.Types {
			lists = append(lists, t.by[inflightTerm{partition: cond.Partition, name: string(kind)}])
		}
	default:
		lists = append(lists, t.by[inflightTerm{partition: cond.Partition}])
	}
	for _, list := range lists {
		for _, number := range slices.Backward(list) {
			e := &t.events[number]
			if e.offset < cond.After {
				break
			}
			if meets(e.kind, e.tags, cond) {
				return e.offset, e.seq, true
			}
		}
	}
	return 0, 0, false
}

// meets says whether an event has one of the types, if any are given, and all of the tags of a condition.
func meets(kind []byte, tags [][]byte, cond *wire.Condition) bool {
	if len(cond.Types) > 0 && !contains(cond.Types, kind) {
		return false
	}
	for _, tag := range cond.Tags {
		if !contains(tags, tag) {
			return false
		}
	}
	return true
}

func contains(terms [][]byte, term []byte) bool {
	return slices.ContainsFunc(terms, func(t []byte) bool { return string(t) == string(term) })
}
