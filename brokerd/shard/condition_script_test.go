package shard

import (
	"testing"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// The scripts of conditions. The stream of all of them is s-1 unless they say otherwise.

// rules is a condition on the partition of a stream.
func rules(stream string, after int64, kind string, tags ...string) wire.Condition {
	cond := wire.Condition{Partition: partitionOf(stream), After: after, Tags: termsFor(tags...)}
	if kind != "" {
		cond.Types = termsFor(kind)
	}
	return cond
}

// conditional makes an op that appends one event of type x with tag t.
func (c *cluster) conditional(producer, sequence uint64, stream string, expected wire.Expected, conditions ...wire.Condition) *op {
	o := &op{producer: producer, sequence: sequence, conditions: conditions, write: wire.Write{
		Stream: []byte(stream), Partition: partitionOf(stream), Expected: expected,
		Events: []wire.Event{eventOf(uuid.UUID{byte(producer), byte(sequence)}, "x", "t")},
	}}
	c.ops = append(c.ops, o)
	return o
}

// submit sends an op and delivers the request.
func (c *cluster) submit(o *op) *op {
	c.send(o)
	c.arrive(len(c.requests) - 1)
	return o
}

func (o *op) want(t *testing.T, what string, code wire.Code) {
	t.Helper()
	if !o.done || o.indefinite || o.result.Code != code {
		t.Errorf("%s: done %t, indefinite %t, answered %+v; want %v", what, o.done, o.indefinite, o.result, code)
	}
}

// TestStoredEventRulesOut: a refusal because of what is stored is final at once; it says which condition and which event.
func TestStoredEventRulesOut(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	c.submit(c.conditional(1, 1, "s-1", wire.NoStream))
	c.flow()
	for name, cond := range map[string]wire.Condition{
		"its type": rules("s-1", 0, "x"), "its tag": rules("s-1", 0, "", "t"), "both": rules("s-1", 0, "x", "t"), "anything": rules("s-1", 0, ""),
	} {
		o := c.submit(c.conditional(2, uint64(len(c.ops)), "s-2", wire.Any, rules("s-1", 1, ""), cond))
		o.want(t, name, wire.ConditionFailed)
		if o.result.Write != 1 || o.result.Actual != 0 {
			t.Errorf("%s: answered %+v, want condition 1 and offset 0", name, o.result)
		}
	}
	for name, cond := range map[string]wire.Condition{
		"another type": rules("s-1", 0, "y"), "another tag": rules("s-1", 0, "x", "u"), "one tag more": rules("s-1", 0, "", "t", "u"),
		"another partition": rules("s-0", 0, ""), "behind it": rules("s-1", 1, ""),
	} {
		o := c.submit(c.conditional(3, uint64(len(c.ops)), "s-2", wire.Any, cond))
		if o.done {
			t.Fatalf("%s: answered %v before its frame was stored", name, o.result.Code)
		}
		c.flow()
		o.want(t, name, wire.OK)
	}
	c.mustVerify(t)
}

// TestEventInFlightRulesOut: a refusal because of an event in flight waits for its frame, and is no answer when the frame fails.
func TestEventInFlightRulesOut(t *testing.T) {
	for name, lost := range map[string]bool{"the frame is stored": false, "the frame is lost": true} {
		t.Run(name, func(t *testing.T) {
			c := newCluster()
			c.mustServe(t, 0)
			first := c.submit(c.conditional(1, 1, "s-1", wire.Any, rules("s-1", 0, "", "t")))
			second := c.submit(c.conditional(2, 1, "s-1", wire.Any, rules("s-1", 0, "", "t")))
			if second.done {
				t.Fatalf("answered %+v although the event is in flight only", second.result)
			}
			if !lost {
				c.flow()
				first.want(t, "the first", wire.OK)
				second.want(t, "the second", wire.ConditionFailed)
				c.mustVerify(t)
				return
			}
			c.network, c.acks = nil, nil
			c.nodes[0].core.Failed(c.nodes[0].core.session)
			c.mustServe(t, 0)
			if first.done || second.done {
				t.Fatalf("answered %+v and %+v, although nothing is stored", first.result, second.result)
			}
			c.submit(second)
			c.submit(first)
			c.flow()
			second.want(t, "the second, sent first this time", wire.OK)
			first.want(t, "the first", wire.ConditionFailed)
			c.mustVerify(t)
		})
	}
}

// TestOneOfTwoInAFrame: of two appends that rule each other out, in one frame and in different partitions, one is stored.
func TestOneOfTwoInAFrame(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	for i := range uint64(3) { // fill the window: what comes now waits for one frame
		c.append(9, i+1, "s-0", wire.Any, "")
	}
	a := c.conditional(1, 1, "s-1", wire.NoStream, rules("s-2", 0, "x", "t"))
	b := c.conditional(2, 1, "s-2", wire.NoStream, rules("s-1", 0, "x", "t"))
	c.submit(a)
	c.submit(b)
	frames := len(c.nodes[0].core.window)
	c.flow()
	if frames != 3 || partitionOf("s-1") == partitionOf("s-2") {
		t.Fatalf("%d frames in flight, partitions %d and %d: the script is broken", frames, partitionOf("s-1"), partitionOf("s-2"))
	}
	a.want(t, "the first", wire.OK)
	b.want(t, "the second", wire.ConditionFailed)
	c.mustVerify(t)
}

// TestOwnEventsRuleNothingOut: an append that is sent again is answered with its first result, although its own events meet its condition by now.
func TestOwnEventsRuleNothingOut(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	guarded := c.submit(c.conditional(1, 1, "s-1", wire.NoStream, rules("s-1", 0, "", "t")))
	c.flow()
	loose := c.submit(c.conditional(2, 1, "s-2", wire.Any, rules("s-2", 0, "", "t")))
	c.flow()
	guarded.want(t, "guarded by a version", wire.OK)
	loose.want(t, "not guarded", wire.OK)

	again := func(o *op, producer, sequence uint64) *op {
		o = &op{producer: producer, sequence: sequence, write: o.write, conditions: o.conditions}
		c.ops = append(c.ops, o)
		c.submit(o)
		c.flow()
		return o
	}
	again(loose, 2, 1).want(t, "the same sequence", wire.OK)
	again(guarded, 1, 1).want(t, "the same sequence, guarded", wire.OK)
	again(guarded, 7, 1).want(t, "another producer, guarded", wire.OK)
	if n := len(c.nodes[0].mem.streams["s-1"]) + len(c.nodes[0].mem.streams["s-2"]); n != 2 {
		t.Errorf("%d events are stored, want 2", n)
	}
	c.ops = c.ops[:len(c.ops)-3] // they share their events with the first ones
	c.mustVerify(t)
	// Without a version nothing but the sequence tells that these are its own events.
	again(loose, 7, 1)
	if r := c.ops[len(c.ops)-1].result; r.Code != wire.ConditionFailed || r.Actual != loose.result.Writes[0].FirstOffset {
		t.Errorf("another producer, not guarded: %+v, want the offset of its own event", r)
	}
}

// TestDelayedFirstAttemptIsRuledOut: the second attempt is refused because of a stored event, and the first, which arrives later, is not stored either.
func TestDelayedFirstAttemptIsRuledOut(t *testing.T) {
	for name, expected := range map[string]wire.Expected{"guarded": wire.NoStream, "not guarded": wire.Any} {
		t.Run(name, func(t *testing.T) {
			c := newCluster()
			c.mustServe(t, 0)
			o := c.conditional(1, 1, "s-2", expected, rules("s-1", 0, "", "t"))
			c.send(o)
			o.giveUpWaiting()
			c.append(3, 1, "s-0", wire.Any, "")
			c.submit(c.conditional(2, 1, "s-1", wire.NoStream))
			c.flowBehind(1)
			c.send(o)
			c.arrive(1)
			o.want(t, "the second attempt", wire.ConditionFailed)
			c.flow()
			if n := len(c.nodes[0].mem.streams["s-2"]); n != 0 {
				t.Errorf("the first attempt was stored")
			}
			c.mustVerify(t)
		})
	}
}

// TestUnguardedSecondAttempt: whichever attempt comes first is stored, and the other one finds it by its sequence, although its condition fails by then.
func TestUnguardedSecondAttempt(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	o := c.conditional(1, 1, "s-2", wire.Any, rules("s-1", 0, "", "t"))
	c.send(o)
	o.giveUpWaiting()
	c.send(o)
	c.arrive(1)
	c.flowBehind(1)
	o.want(t, "the second attempt", wire.OK)
	c.flow() // the first one arrives
	if n := len(c.nodes[0].mem.streams["s-2"]); n != 1 {
		t.Errorf("%d events are stored, want 1", n)
	}
	c.mustVerify(t)
}

// TestConditionBeyondTheEnd: a deposed sequencer cannot tell a cursor of the future from a wrong one. The one that leads can.
func TestConditionBeyondTheEnd(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	c.append(9, 1, "s-1", wire.Any, "")
	c.flow()
	old := c.nodes[0].core.session
	c.mustServe(t, 1)
	for i := range uint64(3) {
		c.append(9, i+2, "s-1", wire.Any, "")
	}
	c.flow()
	o := c.conditional(1, 1, "s-1", wire.Any, rules("s-1", 4, ""))
	o.waiting = true
	c.requests = append(c.requests, inflightRequest{session: old, op: o})
	c.arrive(0)
	if o.done {
		t.Fatalf("the deposed sequencer answered %+v, and it knows no more than offset 1", o.result)
	}
	c.flow()
	if o.done {
		t.Fatalf("its frame failed, and it answered %+v", o.result)
	}
	c.submit(o)
	c.flow()
	o.want(t, "the new leader", wire.OK)

	wrong := c.submit(c.conditional(1, 2, "s-1", wire.Any, rules("s-1", 5, ""), rules("s-1", 500, "")))
	c.flow()
	wrong.want(t, "beyond the end", wire.OffsetRange)
	if wrong.result.Write != 1 || wrong.result.Actual != 5 || wrong.result.Detail == "" {
		t.Errorf("answered %+v, want condition 1 and the end 5", wrong.result)
	}
	c.mustVerify(t)
}

// TestConditionsAreContent: a sequence that comes again with other conditions is another append.
func TestConditionsAreContent(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	first := c.submit(c.conditional(1, 1, "s-1", wire.Any, rules("s-1", 0, "x", "t")))
	c.flow()
	first.want(t, "the first", wire.OK)
	for name, conditions := range map[string][]wire.Condition{
		"none": nil, "two": {first.conditions[0], first.conditions[0]}, "another partition": {rules("s-2", 0, "x", "t")},
		"another offset": {rules("s-1", 1, "x", "t")}, "another type": {rules("s-1", 0, "y", "t")}, "no type": {rules("s-1", 0, "", "t")},
		"the type as a tag": {rules("s-1", 0, "", "x", "t")}, "another tag": {rules("s-1", 0, "x", "u")},
	} {
		a := &Append{Producer: 1, Tag: &op{}, Append: wire.Append{Sequence: 1, Writes: []wire.Write{first.write}, Conditions: conditions}}
		c.nodes[0].core.Submit(a)
		if err := c.nodes[0].core.Pump(c.now); err != nil {
			t.Fatal(err)
		}
		replies, _ := c.nodes[0].core.Take()
		if len(replies) != 1 || replies[0].Result.Code != wire.IDReuse {
			t.Errorf("%s: %+v", name, replies)
		}
	}
}
