package shard

import (
	"fmt"
	"testing"
	"time"

	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
	"pgregory.net/rapid"
)

// TestBatchModel drives two sequencers of a plain or table topic through random schedules, with producers that retry, a cleaner, snapshots, and a log
// that is cut, and checks every promise after every step. A node that begins at a snapshot must end where one ends that has read everything.
func TestBatchModel(t *testing.T) {
	stats := map[string]int{}
	var keys [3][]string
	for p := range keys {
		for i := range 3 {
			keys[p] = append(keys[p], keyOf(int32(p), i))
		}
	}
	checks(t, 2000)
	steps(t, 80)
	rapid.Check(t, func(t *rapid.T) {
		c := newBatchCluster(rapid.SampledFrom([]string{wire.KindPlain, wire.KindTable}).Draw(t, "kind"))
		switch rapid.IntRange(0, 3).Draw(t, "bounded") {
		case 0:
			c.producersMax, c.forgetful = 2, true
		case 1:
			c.snapshotBytesMax, c.forgetful = rapid.IntRange(1, 300).Draw(t, "snapshot bytes"), true
		}
		for i := range c.nodes {
			c.restart(i)
		}
		c.elect(0, 0)
		c.flow()
		index := func(t *rapid.T, n int) int {
			if n == 0 {
				t.Skip("nothing there")
			}
			return rapid.IntRange(0, n-1).Draw(t, "index")
		}
		node := func(t *rapid.T) int { return index(t, len(c.nodes)) }
		fresh := func(p *modelProducer) *batchOp {
			o := drawBatch(t, p, &keys)
			if c.kind == wire.KindTable {
				o.expects = c.drawExpected(t, o, &keys)
			}
			return o
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				c.send(c.producers[index(t, len(c.producers))], fresh, rapid.IntRange(1, 3).Draw(t, "batches"))
			},
			"send and arrive": func(t *rapid.T) {
				before := len(c.requests)
				if c.send(c.producers[index(t, len(c.producers))], fresh, rapid.IntRange(1, 3).Draw(t, "batches")); len(c.requests) > before {
					c.arrive(before)
				}
			},
			"flow": func(*rapid.T) { c.flow() },
			"calm": func(*rapid.T) { c.calm() },
			"busy": func(t *rapid.T) {
				for range rapid.IntRange(1, 4).Draw(t, "requests") {
					c.send(c.producers[index(t, len(c.producers))], fresh, rapid.IntRange(1, 3).Draw(t, "batches"))
				}
				c.flow()
			},
			"timeout": func(t *rapid.T) { c.producers[index(t, len(c.producers))].timeout() },
			"give up": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "rarely") {
					c.producers[index(t, len(c.producers))].giveUp()
				}
			},
			"abandon": func(t *rapid.T) { // what is under way is given up, and something else overtakes it
				p := c.producers[index(t, len(c.producers))]
				for p.timeout(); len(p.again) > 0; {
					p.giveUp()
				}
				before := len(c.requests)
				if c.send(p, fresh, 1); len(c.requests) > before {
					c.arrive(before)
				}
			},
			"overtake": func(t *rapid.T) {
				c.overtake(c.producers[index(t, len(c.producers))], fresh, rapid.IntRange(1, 3).Draw(t, "batches"))
			},
			"late":   func(*rapid.T) { c.arriveLate() },
			"arrive": func(t *rapid.T) { c.arrive(index(t, len(c.requests))) },
			"deliver": func(t *rapid.T) {
				index(t, len(c.network))
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
				index(t, len(c.acks))
				c.ackArrives(0)
			},
			"lose ack": func(t *rapid.T) {
				k := index(t, len(c.acks))
				c.acks = append(c.acks[:k:k], c.acks[k+1:]...)
			},
			"engine timeout": func(t *rapid.T) {
				i := node(t)
				c.nodes[i].core.Failed(c.nodes[i].core.session)
				c.drain(i)
			},
			"elect": func(t *rapid.T) {
				i := node(t)
				from := max(c.nodes[i].core.State().Seq, c.first)
				if from > uint64(len(c.log)) {
					t.Skip("behind")
				}
				c.elect(i, rapid.Uint64Range(from, uint64(len(c.log))).Draw(t, "reported"))
			},
			"depose": func(t *rapid.T) {
				i := node(t)
				c.nodes[i].core.Deposed()
				c.drain(i)
			},
			"restart":            func(t *rapid.T) { c.restart(node(t)) },
			"restart with index": func(t *rapid.T) { c.restartWithIndex(node(t)) },
			"mark": func(t *rapid.T) {
				n := c.nodes[node(t)]
				n.index.mark(n.core, n.mem)
			},
			"run": func(t *rapid.T) {
				n := c.nodes[node(t)]
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
				c.calm()
			},
			"snapshot": func(t *rapid.T) {
				i := node(t)
				var starts []int64
				for _, next := range c.nodes[i].core.State().Next {
					starts = append(starts, rapid.Int64Range(0, next).Draw(t, "start"))
				}
				c.snapshot(i, starts)
			},
			"note the end": func(t *rapid.T) { c.snapshot(node(t), make([]int64, testLayout.Len())) },
			"delete all": func(t *rapid.T) {
				i := node(t)
				c.snapshot(i, append([]int64(nil), c.nodes[i].core.State().Next...))
			},
			"cut": func(t *rapid.T) { c.cut(node(t)) },
			"move": func(t *rapid.T) {
				if c.kind != wire.KindTable {
					t.Skip("a plain topic")
				}
				c.move(node(t), index(t, testLayout.Len()), rapid.IntRange(1, 3).Draw(t, "records"))
			},
			"move at once": func(t *rapid.T) {
				i, ok := c.serving(0)
				if !ok || c.kind != wire.KindTable {
					t.Skip("nobody serves")
				}
				c.move(i, index(t, testLayout.Len()), rapid.IntRange(1, 3).Draw(t, "records"))
				if k := len(c.moves) - 1; k >= 0 {
					c.nodes[i].core.Submit(c.moves[k])
					c.moves = c.moves[:k]
					c.drain(i)
				}
			},
			"move arrives": func(t *rapid.T) {
				k := index(t, len(c.moves))
				i, ok := c.serving(0)
				if !ok {
					t.Skip("nobody serves")
				}
				c.nodes[i].core.Submit(c.moves[k])
				c.moves = append(c.moves[:k:k], c.moves[k+1:]...)
				c.drain(i)
			},
			"clock": func(t *rapid.T) {
				c.now = c.now.Add(time.Duration(rapid.IntRange(-50, 100).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				if err := c.verify(); err != nil {
					t.Fatal(err)
				}
			},
		})
		if err := c.heal(); err != nil {
			t.Fatal(err)
		}
		c.mustBeginAnew(t)
		stats["void"] += c.truth.void
		for name, n := range c.count {
			stats[name] += n
		}
		for _, o := range c.ops {
			if o.untold {
				stats["forgotten"]++
			}
			switch {
			case o.indefinite:
				stats["indefinite"]++
			case o.result.Code != wire.OK:
				stats[o.result.Code.String()]++
			case o.result.Duplicate:
				stats["duplicate"]++
			default:
				stats["stored"]++
			}
		}
	})
	t.Logf("outcomes: %v", stats)
	for _, name := range []string{"void", "indefinite", "forgotten", "answered out of order", "duplicate", "stored", "begun at a snapshot", "cut", "snapshot ok", "move ok", "move conflict", "conflict"} {
		if stats[name] == 0 {
			t.Errorf("no schedule led to %q: the model does not reach what it is for", name)
		}
	}
}

// mustBeginAnew lets a node that knows nothing take over. It must answer every batch that is stored with its place, unless that is forgotten, and store none
// twice.
func (c *batchCluster) mustBeginAnew(t *rapid.T) {
	c.nodes[c.leader].core.Deposed()
	c.leader = 1 - c.leader
	c.nodes[c.leader] = c.newNode()
	c.elect(c.leader, uint64(len(c.log)))
	c.flow()
	n := c.nodes[c.leader]
	for _, o := range c.ops {
		at, stored := c.truth.batches[producerSequence{o.producer, uint64(o.number)}]
		if !stored {
			continue
		}
		again := &batchOp{producer: o.producer, number: o.number, partition: o.partition, bytes: o.bytes, since: at.epoch}
		p := &modelProducer{id: o.producer, again: []*batchOp{again}}
		c.send(p, nil, 0)
		c.flow()
		if again.untold && c.forgetful {
			continue
		}
		if r := again.result; r.Code != wire.OK || !r.Duplicate || r.Writes[0].FirstOffset != at.base {
			t.Fatalf("batch %d of producer %d is at %+v, and was answered %+v by a node that began at %d", o.number, o.producer, at, r, c.first)
		}
	}
	if err := c.verify(); err != nil {
		t.Fatal(err)
	}
	if n.core.Phase() != Serving {
		t.Fatalf("the new node is %s", n.core.Phase())
	}
}

// firstOf is the oldest publish of the session that the k-th belongs to: within a session the engine keeps the order.
func (c *batchCluster) firstOf(k int) int {
	for i := range c.network {
		if c.network[i].p.Session == c.network[k].p.Session {
			return i
		}
	}
	return k
}

func drawBatch(t *rapid.T, p *modelProducer, keys *[3][]string) *batchOp {
	p.last++
	o := &batchOp{producer: p.id, number: p.last, early: rapid.Uint64Range(0, 1).Draw(t, "early"), partition: rapid.Int32Range(0, 2).Draw(t, "partition")}
	var records []pair
	for i := range rapid.IntRange(1, 3).Draw(t, "records") {
		r := pair{rapid.SampledFrom(keys[o.partition]).Draw(t, "key"), fmt.Sprint(p.id, "/", p.last, "/", i)}
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			r.value = tombstone
		}
		records, o.keys = append(records, r), append(o.keys, r.key)
	}
	o.bytes = batchOf(p.id, p.last, rapid.SampledFrom([]recordbatch.Codec{recordbatch.None, recordbatch.Snappy}).Draw(t, "codec"), records...)
	return o
}

// drawExpected draws what a batch expects to be the newest records of its first key, and of another: often what they are.
func (c *batchCluster) drawExpected(t *rapid.T, o *batchOp, keys *[3][]string) (expects []unchanged) {
	for _, key := range []string{o.keys[0], rapid.SampledFrom(keys[o.partition]).Draw(t, "other key")} {
		if rapid.Bool().Draw(t, "expects nothing") {
			continue
		}
		newest := int64(0)
		if at := c.truth.newest[key]; at != nil {
			newest = at.Offset + 1
		}
		expects = append(expects, unchanged{key, max(0, newest+rapid.SampledFrom([]int64{0, 0, 0, -1, 1}).Draw(t, "beside"))})
	}
	return expects
}
