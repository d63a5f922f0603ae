package shard

import (
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
	"pgregory.net/rapid"
)

// TestModel drives two sequencers through random schedules over an engine that loses, delays, duplicates and refuses, with clients that
// time out and retry, and checks every promise after every step and again after the cluster has healed.
func TestModel(t *testing.T) {
	stats := map[string]int{}
	checks(t, 10000)
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster()
		if rapid.IntRange(0, 3).Draw(t, "bounded") == 0 {
			c.producersMax = 2
		}
		for i := range c.nodes {
			c.restart(i)
		}
		c.elect(0, 0)
		sequences := map[uint64]uint64{}
		index := func(t *rapid.T, n int) int {
			if n == 0 {
				t.Skip("nothing there")
			}
			return rapid.IntRange(0, n-1).Draw(t, "index")
		}
		count := func(name string) { stats[name]++ }
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				if _, _, ok := c.route(); !ok {
					t.Skip("nobody serves")
				}
				o := c.drawOp(t, sequences)
				c.ops = append(c.ops, o)
				c.send(o)
			},
			"burst": func(t *rapid.T) { // several clients at once: one frame, or a full window
				if _, _, ok := c.route(); !ok {
					t.Skip("nobody serves")
				}
				for range rapid.IntRange(2, 6).Draw(t, "appends") {
					o := c.drawOp(t, sequences)
					c.ops = append(c.ops, o)
					before := len(c.requests)
					if c.send(o); len(c.requests) > before { // the session may be over by now
						c.arrive(before)
					}
				}
			},
			"flow": func(*rapid.T) { c.flow() },
			"retry": func(t *rapid.T) {
				o := c.ops[index(t, len(c.ops))]
				if o.done || o.waiting {
					t.Skip("not open")
				}
				c.send(o)
			},
			"timeout": func(t *rapid.T) { c.ops[index(t, len(c.ops))].giveUpWaiting() },
			"overtake": func(t *rapid.T) {
				o := c.ops[index(t, len(c.ops))]
				if o.done {
					t.Skip("not open")
				}
				c.overtake(o)
			},
			"late":    func(*rapid.T) { c.arriveLate() },
			"arrive":  func(t *rapid.T) { c.arrive(index(t, len(c.requests))) },
			"confirm": func(t *rapid.T) { c.confirm(index(t, len(c.nodes))) },
			"deliver": func(t *rapid.T) {
				if len(c.network) == 0 {
					t.Skip("nothing there")
				}
				c.deliver(0, false)
			},
			"reorder":   func(t *rapid.T) { c.deliver(c.firstOf(index(t, len(c.network))), false) },
			"duplicate": func(t *rapid.T) { c.deliver(c.firstOf(index(t, len(c.network))), true) },
			"refuse":    func(t *rapid.T) { c.refuse(index(t, len(c.network))) },
			"lose": func(t *rapid.T) {
				k := index(t, len(c.network))
				c.network = append(c.network[:k:k], c.network[k+1:]...)
			},
			"ack": func(t *rapid.T) {
				if len(c.acks) == 0 {
					t.Skip("nothing there")
				}
				c.ackArrives(0)
			},
			"lose ack": func(t *rapid.T) {
				k := index(t, len(c.acks))
				c.acks = append(c.acks[:k:k], c.acks[k+1:]...)
			},
			"engine timeout": func(t *rapid.T) {
				i := index(t, len(c.nodes))
				c.nodes[i].core.Failed(c.nodes[i].core.session)
				c.drain(i)
			},
			"elect": func(t *rapid.T) {
				i := index(t, len(c.nodes))
				from := int(c.nodes[i].core.State().Seq)
				if from > len(c.log) {
					t.Skip("behind")
				}
				c.elect(i, rapid.IntRange(from, len(c.log)).Draw(t, "reported"))
			},
			"depose": func(t *rapid.T) {
				i := index(t, len(c.nodes))
				c.nodes[i].core.Deposed()
				c.drain(i)
			},
			"restart": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					t.Skip("not now")
				}
				i := index(t, len(c.nodes))
				c.restart(i)
				for _, o := range c.ops { // whoever waited for this node hears nothing
					o.giveUpWaiting()
				}
			},
			"restart with index": func(t *rapid.T) {
				c.restartWithIndex(index(t, len(c.nodes)))
				for _, o := range c.ops {
					o.giveUpWaiting()
				}
			},
			"mark": func(t *rapid.T) {
				n := c.nodes[index(t, len(c.nodes))]
				n.index.mark(n.core, n.mem)
			},
			"run": func(t *rapid.T) {
				n := c.nodes[index(t, len(c.nodes))]
				n.index.run(n.core, n.mem)
			},
			"hours": func(t *rapid.T) {
				if rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					t.Skip("not now")
				}
				c.passHours()
				n := c.nodes[c.leader]
				n.index.run(n.core, n.mem)
			},
			"new session": func(*rapid.T) { // because of a passing fault
				n := c.nodes[c.leader]
				n.core.Failed(n.core.session)
				c.drain(c.leader)
				c.elect(c.leader, len(c.log))
				c.flow()
			},
			"clock": func(t *rapid.T) {
				c.now = c.now.Add(time.Duration(rapid.IntRange(-50, 100).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				if err := c.verify(true); err != nil {
					t.Fatal(err)
				}
			},
		})
		if err := c.heal(); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.nodes {
			stats["void"] += int(n.core.stats.Void)
		}
		for _, o := range c.ops {
			if o.untold {
				count("forgotten")
			}
			switch {
			case o.indefinite:
				count("indefinite")
			case o.result.Code == wire.Conflict:
				count("conflict")
			case o.result.Code == wire.ConditionFailed:
				count("ruled out")
			case o.result.Code == wire.OffsetRange:
				count("beyond the end")
			case o.result.Duplicate:
				count("duplicate")
			default:
				count("stored")
			}
		}
	})
	t.Logf("outcomes: %v", stats)
	for _, name := range []string{"void", "indefinite", "forgotten", "conflict", "ruled out", "beyond the end", "duplicate", "stored"} {
		if stats[name] == 0 {
			t.Errorf("no schedule led to %q: the model does not reach what it is for", name)
		}
	}
}

// firstOf is the oldest publish of the session that the k-th belongs to: within a session the engine keeps the order.
func (c *cluster) firstOf(k int) int {
	for i := range c.network {
		if c.network[i].p.Session == c.network[k].p.Session {
			return i
		}
	}
	return k
}

func (c *cluster) drawOp(t *rapid.T, sequences map[uint64]uint64) *op {
	producer := rapid.Uint64Range(1, 3).Draw(t, "producer")
	sequences[producer]++
	stream := fmt.Sprintf("s-%d", rapid.IntRange(0, 2).Draw(t, "stream"))
	o := &op{producer: producer, sequence: sequences[producer], early: rapid.Uint64Range(0, 1).Draw(t, "early"), write: wire.Write{
		Stream: []byte(stream), Partition: partitionOf(stream), Expected: wire.Expected(rapid.Int64Range(-2, 4).Draw(t, "expected")),
	}}
	if rapid.IntRange(0, 4).Draw(t, "command") == 0 {
		o.write.CommandID = fmt.Appendf(nil, "c%d", rapid.IntRange(0, 1).Draw(t, "command id"))
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "events") {
		id := uuid.UUID{byte(producer), byte(i)}
		id[8], id[9] = byte(o.sequence>>8), byte(o.sequence)
		o.write.Events = append(o.write.Events, drawEvent(t, id))
	}
	if len(o.write.CommandID) == 0 && rapid.IntRange(0, 3).Draw(t, "two streams") == 0 {
		other := fmt.Sprintf("s-%d", (int(stream[2]-'0')+rapid.IntRange(1, 2).Draw(t, "other"))%3)
		id := uuid.UUID{byte(producer), 100}
		id[8], id[9] = byte(o.sequence>>8), byte(o.sequence)
		o.also = &wire.Write{Stream: []byte(other), Partition: partitionOf(other), Expected: wire.Expected(rapid.Int64Range(-1, 3).Draw(t, "expected too"))}
		o.also.Events = append(o.also.Events, drawEvent(t, id))
	}
	if rapid.Bool().Draw(t, "conditional") {
		o.conditions = c.drawConditions(t)
	}
	return o
}

// checks asks for at least n schedules; the flag -rapid.checks still asks for more.
func checks(t *testing.T, n int) {
	t.Helper()
	atLeast(t, "rapid.checks", n)
}

// steps asks for schedules of about n steps. They are as long as they were for the tests that follow.
func steps(t *testing.T, n int) {
	t.Helper()
	before := flag.Lookup("rapid.steps").Value.String()
	atLeast(t, "rapid.steps", n)
	t.Cleanup(func() { _ = flag.Set("rapid.steps", before) })
}

func atLeast(t *testing.T, name string, n int) {
	t.Helper()
	f := flag.Lookup(name)
	if have, err := strconv.Atoi(f.Value.String()); err != nil || have >= n {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
}
