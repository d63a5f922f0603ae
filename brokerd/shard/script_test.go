package shard

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// The scripts of the sequencer protocol: each is one way in which a simpler protocol loses or invents an append.

func (c *cluster) mustServe(t *testing.T, i int) {
	t.Helper()
	c.elect(i, len(c.log))
	c.flow()
	if p := c.nodes[i].core.Phase(); p != Serving {
		t.Fatalf("node %d is %s", i, p)
	}
}

// flow delivers everything that is under way: nothing goes wrong for a while.
func (c *cluster) flow() { c.flowBehind(0) }

// append sends an op to whoever serves, and delivers the request.
func (c *cluster) append(producer, sequence uint64, stream string, expected wire.Expected, command string) *op {
	id := uuid.UUID{byte(producer), byte(sequence)}
	o := &op{producer: producer, sequence: sequence, write: wire.Write{
		Stream: []byte(stream), Partition: partitionOf(stream), Expected: expected, CommandID: []byte(command),
		Events: []wire.Event{{ID: id, Value: []byte("value")}},
	}}
	c.ops = append(c.ops, o)
	c.send(o)
	c.arrive(len(c.requests) - 1)
	return o
}

func (c *cluster) mustVerify(t *testing.T) {
	t.Helper()
	if err := c.verify(true); err != nil {
		t.Fatal(err)
	}
}

// TestZombieIsVoid is the ABA script. A publishes p1 and p2; p1 dies with A's leadership; B's barrier and one frame move the engine to just
// where p2 fits by number; the delayed p2 is then accepted by the engine, and is void.
func TestZombieIsVoid(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	c.append(1, 1, "s-1", wire.NoStream, "")
	c.append(1, 2, "s-1", 1, "")
	if len(c.network) != 2 {
		t.Fatalf("%d frames are in flight, want 2", len(c.network))
	}
	p2 := c.network[1]
	c.network = nil // p1 is lost; p2 waits in the queue of a former leader
	c.leader = 1
	c.elect(1, len(c.log))
	c.network = append(c.network, p2)
	c.deliver(0, false) // B's barrier takes the place of p1
	c.deliver(0, false) // and p2 fits
	if got := len(c.log); got != 3 {
		t.Fatalf("the engine holds %d messages, want A's barrier, B's barrier and the zombie", got)
	}
	for len(c.acks) > 0 {
		c.ackArrives(0)
	}
	if err := c.verify(false); err == nil {
		t.Error("with V switched off the checker sees nothing wrong: it proves nothing")
	}
	c.mustVerify(t)
	if err := c.heal(); err != nil {
		t.Fatal(err)
	}
	if v := c.nodes[1].core.stats.Void; v == 0 {
		t.Error("B skipped no void message: the zombie was not one")
	}
	for _, o := range c.ops {
		if o.result.Code != wire.OK {
			t.Errorf("op %d ended as %v", o.sequence, o.result.Code)
		}
	}
}

// TestRefusalIsNoProof: the former leader answers 10071 although the frame is committed by another path. The client hears the truth.
func TestRefusalIsNoProof(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	o := c.append(1, 1, "s-1", wire.NoStream, "")
	c.refuse(0)
	c.ackArrives(0) // the refusal arrives before
	c.deliver(0, false)
	c.acks = nil // and instead of the real answer
	if o.done {
		t.Fatalf("answered %v although the outcome was open", o.result.Code)
	}
	c.mustServe(t, 0)
	if !o.done || o.result.Code != wire.OK || o.result.Writes[0].FirstVersion != 1 {
		t.Fatalf("answered %+v, want success at version 1", o.result)
	}
	c.mustVerify(t)
}

// TestDelayedFirstAttempt: a first attempt on StreamExists is delayed, a second one is refused, the stream comes to be, the first one arrives.
// The client must not have been told that nothing is stored.
func TestDelayedFirstAttempt(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	o := &op{producer: 1, sequence: 1, write: wire.Write{
		Stream: []byte("s-1"), Partition: partitionOf("s-1"), Expected: wire.StreamExists,
		Events: []wire.Event{{ID: uuid.UUID{1}, Value: []byte("value")}},
	}}
	c.ops = append(c.ops, o)
	c.send(o)
	o.giveUpWaiting()
	c.send(o)
	c.arrive(1) // the second attempt overtakes the first
	c.flowBehind(1)
	if o.done && !o.indefinite {
		t.Fatalf("the second attempt was answered %v: the first may still be stored", o.result.Code)
	}
	c.append(2, 1, "s-1", wire.NoStream, "")
	c.flow()
	c.mustVerify(t)
	if n := len(c.nodes[0].mem.streams["s-1"]); n != 2 {
		t.Fatalf("the stream has %d events: the first attempt did not arrive, the script is broken", n)
	}
}

// flowBehind delivers everything but the first n requests.
func (c *cluster) flowBehind(n int) {
	for len(c.requests) > n || len(c.network)+len(c.acks) > 0 {
		switch {
		case len(c.network) > 0:
			c.deliver(0, false)
		case len(c.acks) > 0:
			c.ackArrives(0)
		default:
			c.arrive(n)
		}
	}
}

// TestCommandUsedAgain: a command id that a stream has seen is answered with the first result whatever the state is now, in flight and stored.
func TestCommandUsedAgain(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	first := c.append(1, 1, "s-1", wire.NoStream, "pay")
	inflight := c.append(2, 1, "s-1", wire.NoStream, "pay")
	c.flow()
	c.append(1, 2, "s-1", 1, "")
	c.flow()
	later := c.append(3, 1, "s-1", wire.NoStream, "pay")
	c.flow()
	other := c.append(4, 1, "s-2", wire.NoStream, "pay")
	c.flow()
	for name, o := range map[string]*op{"first": first, "in flight": inflight, "later": later} {
		if o.result.Code != wire.OK || o.result.Writes[0].FirstVersion != 1 || o.result.Writes[0].Count != 1 {
			t.Errorf("%s: answered %+v, want success at version 1", name, o.result)
		}
		if o.result.Duplicate != (o != first) {
			t.Errorf("%s: duplicate is %t", name, o.result.Duplicate)
		}
	}
	if other.result.Duplicate || other.result.Code != wire.OK {
		t.Errorf("the same command id in another stream was answered %+v", other.result)
	}
	c.mustVerify(t)
}

// TestOwnEventsAreFound: a guarded append whose sequence is forgotten, or that another producer sends again, finds its own events.
func TestOwnEventsAreFound(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	first := c.append(1, 1, "s-1", wire.NoStream, "")
	again := func() *op {
		o := &op{producer: 9, sequence: uint64(len(c.ops)), write: first.write}
		c.ops = append(c.ops, o)
		c.send(o)
		c.arrive(len(c.requests) - 1)
		return o
	}
	inflight := again()
	if inflight.done {
		t.Fatal("an answer that rests on a frame in flight was given before its acknowledgement")
	}
	c.flow()
	c.append(1, 2, "s-1", 1, "")
	c.flow()
	for name, o := range map[string]*op{"in flight": inflight, "stored": again()} {
		if o.result.Code != wire.OK || !o.result.Duplicate || o.result.Writes[0] != first.result.Writes[0] {
			t.Errorf("%s: answered %+v, want the first result %+v", name, o.result, first.result)
		}
	}
	c.mustVerify(t)
}

// TestSequenceForOtherContent: a sequence that comes again with other content is refused, in flight and stored.
func TestSequenceForOtherContent(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	c.append(1, 1, "s-1", wire.NoStream, "")
	submit := func() wire.AppendResult {
		a := &Append{Producer: 1, Tag: &op{}, Append: wire.Append{Sequence: 1, Writes: []wire.Write{{
			Stream: []byte("s-1"), Partition: partitionOf("s-1"), Expected: wire.Any, Events: []wire.Event{{ID: uuid.UUID{7}}},
		}}}}
		c.nodes[0].core.Submit(a)
		if err := c.nodes[0].core.Pump(c.now); err != nil {
			t.Fatal(err)
		}
		for _, f := range c.nodes[0].core.window {
			for _, r := range f.replies {
				if r.Append == a {
					return r.Result
				}
			}
		}
		replies, _ := c.nodes[0].core.Take()
		for _, r := range replies {
			if r.Append == a {
				return r.Result
			}
		}
		return wire.AppendResult{}
	}
	if r := submit(); r.Code != wire.IDReuse {
		t.Errorf("in flight: %+v", r)
	}
	c.nodes[0].core.Failed(c.nodes[0].core.session)
	c.nodes[0].core.Take()
	c.flow()
	c.mustServe(t, 0)
	if r := submit(); r.Code != wire.IDReuse {
		t.Errorf("stored: %+v", r)
	}
}

// TestForgottenSequence: below the window that is remembered nobody can tell, and nothing is appended.
func TestForgottenSequence(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	c.append(1, wire.SequencesKept+5, "s-1", wire.Any, "")
	c.flow()
	late := c.append(1, 5, "s-1", wire.Any, "")
	c.flow()
	if late.done || !late.unknown {
		t.Errorf("answered %+v, want unknown", late.result)
	}
	kept := c.append(1, 6, "s-1", wire.Any, "")
	c.flow()
	if kept.result.Code != wire.OK {
		t.Errorf("the oldest sequence of the window: %+v", kept.result)
	}
}

// TestCorruptionStops: a damaged frame, and a hole, stop the core: it serves nothing and says why.
func TestCorruptionStops(t *testing.T) {
	for name, damage := range map[string]func(c *cluster) (uint64, []byte){
		"a flipped bit": func(c *cluster) (uint64, []byte) {
			data := append([]byte(nil), c.log[1]...)
			data[len(data)/2] ^= 4
			return 2, data
		},
		"a hole":        func(c *cluster) (uint64, []byte) { return 3, c.log[1] },
		"empty":         func(*cluster) (uint64, []byte) { return 2, nil },
		"cut at a word": func(c *cluster) (uint64, []byte) { return 2, c.log[1][:len(c.log[1])-8] },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster()
			c.mustServe(t, 0)
			c.append(1, 1, "s-1", wire.NoStream, "")
			c.flow()
			core := c.nodes[1].core
			if err := core.Committed(1, c.log[0]); err != nil {
				t.Fatal(err)
			}
			err := core.Committed(damage(c))
			if !errors.Is(err, ErrCorrupt) || core.Phase() != Stopped {
				t.Fatalf("got %v in phase %s", err, core.Phase())
			}
			core.Submit(&Append{Tag: &op{}})
			if replies, _ := core.Take(); len(replies) != 1 || replies[0].Result.Code != wire.Corrupt {
				t.Errorf("a stopped core answers %+v", replies)
			}
			core.Fence(99, c.now)
			if _, publish := core.Take(); len(publish) > 0 {
				t.Error("a stopped core publishes")
			}
		})
	}
}

// TestFoundIsToldBehindTheBarrier: an engine whose sync has failed may show a frame that is not on disk. That the log holds it is no answer yet: only the
// barrier behind it, synced, proves that it stays.
func TestFoundIsToldBehindTheBarrier(t *testing.T) {
	c := newCluster()
	c.mustServe(t, 0)
	o := c.append(1, 1, "s-1", wire.NoStream, "")
	c.deliver(0, false) // stored
	c.acks = nil        // and not acknowledged
	n := c.nodes[0]
	n.core.Failed(n.core.session)
	c.elect(0, len(c.log))
	if o.done {
		t.Fatalf("answered %v before the barrier was acknowledged", o.result.Code)
	}
	c.flow()
	if !o.done || o.result.Code != wire.OK {
		t.Errorf("answered %t, %v", o.done, o.result.Code)
	}
	c.mustVerify(t)
}
