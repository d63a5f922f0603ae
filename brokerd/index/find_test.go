package index

import (
	"errors"
	"strings"
	"testing"
)

// tailOf adds events of partition 0 to a tail, each with its type and tags, from offset 0 on.
func tailOf(t *testing.T, events ...[]string) *Tail {
	t.Helper()
	tail := NewTail()
	for i, terms := range events {
		e := Entry{Stream: "a-1", Version: int64(i) + 1, Type: []byte(terms[0]), Pointer: Pointer{Offset: int64(i)}}
		for _, tag := range terms[1:] {
			e.Tags = append(e.Tags, []byte(tag))
		}
		add(t, tail, e)
	}
	return tail
}

func TestQueries(t *testing.T) {
	tail := tailOf(t,
		[]string{"course.defined", "course:1"},
		[]string{"student.joined", "student:a"},
		[]string{"course.subscribed", "course:1", "student:a"},
		[]string{"course.subscribed", "course:2", "student:a"},
		[]string{"course.renamed", "course:1"},
		[]string{"audit.noted"},
	)
	db := open(t, t.TempDir())
	if err := db.Apply(tail, nil, markOf(1)); err != nil {
		t.Fatal(err)
	}
	finders := map[string]func(Query, *Steps) (int64, bool, error){"tail": tail.Find, "db": db.Find}
	for name, test := range map[string]struct {
		q    Query
		want int64 // -1: nothing
	}{
		"a type":                              {query(0, "course.defined"), 0},
		"a type, from its event on":           {query(4, "course.renamed"), 4},
		"a type, from beyond its newest":      {query(5, "course.renamed"), -1},
		"a type that never was":               {query(0, "course.deleted"), -1},
		"one of the types":                    {query(4, "course.deleted course.renamed"), 4},
		"a tag":                               {query(3, "", "student:a"), 3},
		"a tag, from beyond its newest":       {query(4, "", "student:a"), -1},
		"a tag that never was":                {query(0, "", "student:b"), -1},
		"both tags":                           {query(0, "", "student:a", "course:2"), 3},
		"both tags, from beyond":              {query(3, "", "student:a", "course:1"), -1},
		"tags of different events":            {query(0, "", "course:1", "course:2"), -1},
		"a type and a tag":                    {query(0, "course.subscribed", "course:1"), 2},
		"a type and a tag, never together":    {query(0, "student.joined", "course:1"), -1},
		"a type without tags, and a tag":      {query(0, "audit.noted", "course:1"), -1},
		"a tag twice":                         {query(0, "course.renamed", "course:1", "course:1"), 4},
		"the beginning of a tag":              {query(0, "", "course:"), -1},
		"a type that begins as another":       {query(0, "course.define"), -1},
		"a tag as a type, and the other way":  {query(0, "course:1", "course.defined"), -1},
		"an offset below all others":          {query(-5, "student.joined", "student:a"), 1},
		"a tag of another partition":          {Query{Partition: 1, Tags: terms([]byte("course:1"))}, -1},
		"a type of another partition":         {Query{Partition: 1, Types: terms([]byte("course.defined"))}, -1},
		"a type and a tag of other partition": {Query{Partition: 1, Types: terms([]byte("course.defined")), Tags: terms([]byte("course:1"))}, -1},
	} {
		for where, find := range finders {
			offset, found, err := find(test.q, new(Steps))
			if err != nil || found != (test.want >= 0) || found && offset != test.want {
				t.Errorf("%s, in the %s: %d, %t, %v; want %d", name, where, offset, found, err, test.want)
			}
		}
	}
	for where, find := range finders {
		if _, _, err := find(Query{}, new(Steps)); !errors.Is(err, ErrQuery) {
			t.Errorf("a query for anything, in the %s: %v", where, err)
		}
	}
}

// query asks partition 0 for types, separated by blanks, and tags.
func query(after int64, kinds string, tags ...string) Query {
	q := Query{After: after}
	for kind := range strings.FieldsSeq(kinds) {
		q.Types = append(q.Types, []byte(kind))
	}
	for _, tag := range tags {
		q.Tags = append(q.Tags, []byte(tag))
	}
	return q
}

// TestBroadQueriesEnd: tags that are common where the query begins, and never on one event, do not hold the sequencer up.
func TestBroadQueriesEnd(t *testing.T) {
	var events [][]string
	for i := range 2*stepsMax + 2 {
		events = append(events, []string{"a.done", []string{"even", "odd"}[i%2]})
	}
	events = append(events, []string{"a.done", "rare", "odd"})
	tail := tailOf(t, events...)
	db := open(t, t.TempDir())
	if err := db.Apply(tail, nil, markOf(1)); err != nil {
		t.Fatal(err)
	}
	for where, find := range map[string]func(Query, *Steps) (int64, bool, error){"tail": tail.Find, "db": db.Find} {
		if _, _, err := find(query(0, "", "even", "odd"), new(Steps)); !errors.Is(err, ErrBroad) {
			t.Errorf("%s: two common tags: %v", where, err)
		}
		if offset, found, err := find(query(0, "", "odd", "rare"), new(Steps)); err != nil || !found || offset != int64(len(events)-1) {
			t.Errorf("%s: a rare tag among them: %d, %t, %v", where, offset, found, err)
		}
		if _, found, err := find(query(0, "", "even", "rare"), new(Steps)); err != nil || found {
			t.Errorf("%s: a rare tag with another: %t, %v", where, found, err)
		}
		if _, found, err := find(query(int64(len(events)-100), "", "even", "odd"), new(Steps)); err != nil || found {
			t.Errorf("%s: the same, from a later offset on: %t, %v", where, found, err)
		}
	}
	var spent Steps
	for range stepsMax {
		if _, _, err := db.Find(query(0, "never"), &spent); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := db.Find(query(0, "never"), &spent); !errors.Is(err, ErrBroad) {
		t.Errorf("many queries together: %v", err)
	}
	if _, err := db.Head(0, "a-1"); err != nil {
		t.Errorf("after a query that was too broad: %v", err)
	}
}
