package shard

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// appendTagged appends one event with a type and tags on condition.
func (f *fixture) appendTagged(stream, kind, tag string, conditions ...wire.Condition) wire.AppendResult {
	f.t.Helper()
	f.next++
	return f.send(wire.Append{Sequence: f.next, Conditions: conditions, Writes: []wire.Write{{
		Stream: []byte(stream), Partition: partitionOf(stream), Expected: wire.Any, Events: []wire.Event{eventOf(uuid.New(), kind, tag, "all")},
	}}})
}

// TestConditionsFindWhatIsStored: in the tail, in a run on its way, in the index, after a restart and after a rebuild.
func TestConditionsFindWhatIsStored(t *testing.T) {
	f := newFixture(t) // a run after 50 entries
	const events = 130
	end := map[int32]int64{}
	check := func(stored int) {
		t.Helper()
		for i := range stored {
			stream, kind, tag := fmt.Sprintf("s-%d", i%3), fmt.Sprintf("kind-%d", i%4), fmt.Sprintf("tag-%d", i)
			for name, cond := range map[string]wire.Condition{
				"tag": rules(stream, 0, "", tag), "type and tag": rules(stream, 0, kind, tag), "both tags": rules(stream, 0, "", "all", tag),
			} {
				r := f.appendTagged(stream, "no", "no", cond)
				if r.Code != wire.ConditionFailed {
					t.Fatalf("%s of event %d of %d: %+v", name, i, stored, r)
				}
				cond.After = r.Actual + 1
				if r := f.appendTagged(stream, "no", "no", cond, rules(stream, 0, kind)); r.Code != wire.ConditionFailed || r.Write != 1 {
					t.Fatalf("%s behind event %d of %d: %+v, want it to fail for the second condition", name, i, stored, r)
				}
			}
		}
	}
	for i := range events {
		stream := fmt.Sprintf("s-%d", i%3)
		p := partitionOf(stream)
		r := f.appendTagged(stream, fmt.Sprintf("kind-%d", i%4), fmt.Sprintf("tag-%d", i), rules(stream, 0, "", fmt.Sprintf("tag-%d", i)), rules(stream, end[p], ""))
		if r.Code != wire.OK {
			t.Fatalf("event %d: %+v", i, r)
		}
		end[p] = r.Writes[0].FirstOffset + 1
		if i%43 == 42 {
			check(i + 1)
		}
	}
	check(events)
	f.close()
	f.open(nil)
	check(events)
	f.close()
	if err := os.RemoveAll(filepath.Join(f.dir, "index")); err != nil {
		t.Fatal(err)
	}
	f.open(nil)
	check(events)
	f.agree()
}

// TestBroadCondition: an append whose condition would hold the sequencer up is refused alone.
func TestBroadCondition(t *testing.T) {
	f := newFixture(t)
	w := wire.Write{Stream: []byte("s-0"), Partition: partitionOf("s-0"), Expected: wire.Any}
	for i := range wire.EventsMax {
		w.Events = append(w.Events, eventOf(uuid.New(), "x", []string{"even", "odd"}[i%2]))
	}
	for range 3 {
		f.next++
		if r := f.send(wire.Append{Sequence: f.next, Writes: []wire.Write{w}}); r.Code != wire.OK {
			t.Fatalf("%+v", r)
		}
	}
	r := f.appendTagged("s-1", "x", "t", rules("s-0", 0, "", "even", "odd"))
	if r.Code != wire.Invalid || !strings.Contains(r.Detail, "newer cursor") {
		t.Errorf("answered %+v", r)
	}
	some := rules("s-0", int64(3*wire.EventsMax-7000), "", "even", "odd")
	if r := f.appendTagged("s-1", "x", "t", some); r.Code != wire.OK {
		t.Errorf("one that does: %+v", r)
	}
	if r := f.appendTagged("s-1", "x", "t", some, some, some); r.Code != wire.Invalid || strings.Contains(r.Detail, "condition 0") {
		t.Errorf("three that would each do: %+v", r)
	}
	if r := f.appendTagged("s-1", "x", "t", rules("s-0", int64(3*wire.EventsMax-100), "", "even", "odd")); r.Code != wire.OK {
		t.Errorf("from a newer cursor on: %+v", r)
	}
}
