package shard

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// batchTruth is what the log amounts to for one who has read all of it.
type batchTruth struct {
	kind    string
	state   State
	states  []State // after each message
	batches map[producerSequence]storedAt
	expects map[producerSequence][]unchanged // what the batches ask for
	newest  map[string]*recordbatch.Record
	last    map[[2]uint64]uint64 // newest number of a producer in a partition
	void    int
}

type storedAt struct {
	partition int32
	base      int64
	count     int
	epoch     uint64
}

func newBatchTruth(kind string) *batchTruth {
	return &batchTruth{kind: kind, batches: map[producerSequence]storedAt{}, expects: map[producerSequence][]unchanged{}, newest: map[string]*recordbatch.Record{}, last: map[[2]uint64]uint64{}}
}

// take reads the next message and checks what must hold of every log.
func (t *batchTruth) take(seq uint64, data []byte) error {
	before := t.state.Clone()
	f, valid, err := t.state.Apply(seq, data)
	if err != nil {
		return err
	}
	t.states = append(t.states, t.state.Clone())
	if !valid {
		t.void++
		return nil
	}
	for slot, start := range t.state.Starts {
		if start < before.Starts[slot] || start > t.state.Next[slot] {
			return fmt.Errorf("frame %d moves the start of slot %d from %d to %d of %d", seq, slot, before.Starts[slot], start, t.state.Next[slot])
		}
	}
	for _, e := range f.Entries {
		if err := t.entry(&e, f.Epoch); err != nil {
			return fmt.Errorf("frame %d, partition %d: %w", seq, e.Partition, err)
		}
	}
	return t.keepsLive()
}

func (t *batchTruth) entry(e *FrameEntry, epoch uint64) error {
	next := e.Base
	for rest := e.Batches; len(rest) > 0; {
		b, after, err := recordbatch.Parse(rest)
		if err != nil {
			return err
		}
		rest = after
		info := b.Info()
		if info.BaseOffset != next {
			return fmt.Errorf("offset %d where %d is due", info.BaseOffset, next)
		}
		next = info.Next()
		if info.BaseSequence > 0 {
			id := producerSequence{uint64(info.ProducerID), uint64(info.BaseSequence)}
			if at, twice := t.batches[id]; twice {
				return fmt.Errorf("batch %d of producer %d is stored at offset %d, and at %d of partition %d", id.sequence, id.producer, info.BaseOffset, at.base, at.partition)
			}
			t.batches[id] = storedAt{e.Partition, info.BaseOffset, info.Count, epoch}
			lane := [2]uint64{id.producer, uint64(e.Partition)}
			if id.sequence <= t.last[lane] {
				return fmt.Errorf("batch %d of producer %d follows batch %d", id.sequence, id.producer, t.last[lane])
			}
			t.last[lane] = id.sequence
			for _, x := range t.expects[id] {
				if !t.met(e.Partition, x) {
					return fmt.Errorf("batch %d of producer %d is stored, and expects %+v: the newest is %+v", id.sequence, id.producer, x, t.newest[x.key])
				}
			}
		}
		for r, err := range b.Records() {
			if err != nil {
				return err
			}
			if old := t.newest[string(r.Key)]; info.BaseSequence <= 0 && (old == nil || !bytes.Equal(old.Value, r.Value)) {
				return fmt.Errorf("key %q was moved with the value %q, its newest is %v", r.Key, r.Value, old)
			}
			t.newest[string(r.Key)] = &r
		}
	}
	if next != e.Base+int64(e.Count) {
		return fmt.Errorf("%d records, the header says %d", next-e.Base, e.Count)
	}
	return nil
}

// met tells whether the newest record of a key is the one that a batch expects. One that was cut away may be known or not.
func (t *batchTruth) met(partition int32, x unchanged) bool {
	at := t.newest[x.key]
	if at == nil {
		return x.newest == 0
	}
	slot, _ := testLayout.Slot(partition)
	return x.newest == at.Offset+1 || x.newest == 0 && at.Offset < t.state.Starts[slot]
}

// keepsLive checks that no key of a table has lost its value to a start.
func (t *batchTruth) keepsLive() error {
	if t.kind != wire.KindTable {
		return nil
	}
	for key, r := range t.newest {
		slot, _ := testLayout.Slot(partitionOf(key))
		if r.Value != nil && r.Offset < t.state.Starts[slot] {
			return fmt.Errorf("the value of key %q stands at offset %d, the partition begins at %d", key, r.Offset, t.state.Starts[slot])
		}
	}
	return nil
}

// verify checks every promise against the log as it stands.
func (c *batchCluster) verify() error {
	if c.problem != nil {
		return c.problem
	}
	for _, o := range c.ops {
		if !o.done || o.indefinite {
			continue
		}
		at, stored := c.truth.batches[producerSequence{o.producer, uint64(o.number)}]
		switch ok := o.result.Code == wire.OK; {
		case ok != stored:
			return fmt.Errorf("batch %d of producer %d was answered %v %s, stored: %t", o.number, o.producer, o.result.Code, o.result.Detail, stored)
		case ok && (o.result.Writes[0].FirstOffset != at.base || o.partition != at.partition):
			return fmt.Errorf("batch %d of producer %d was answered offset %d, and is at %+v", o.number, o.producer, o.result.Writes[0].FirstOffset, at)
		}
	}
	for i, n := range c.nodes {
		if err := c.agrees(n); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	return nil
}

// agrees compares a node with one that has read the whole log up to the same place.
func (c *batchCluster) agrees(n *batchNode) error {
	st := n.core.State()
	if st.Seq == 0 {
		return nil
	}
	want := &c.truth.states[st.Seq-1]
	if st.Epoch != want.Epoch || st.Session != want.Session || st.Sum != want.Sum || st.Time != want.Time || st.Bytes != want.Bytes || !slices.Equal(st.Next, want.Next) {
		return fmt.Errorf("at %d its state is\n%+v\nwhere a reader of the whole log has\n%+v", st.Seq, *st, *want)
	}
	for slot, start := range st.Starts {
		if start < want.Starts[slot] || start > c.truth.state.Starts[slot] { // a node that began at a snapshot knows of no records before it
			return fmt.Errorf("at %d slot %d starts at %d, a reader of the whole log has %d now and %d in the end", st.Seq, slot, start, want.Starts[slot], c.truth.state.Starts[slot])
		}
	}
	if int(st.Seq) < len(c.truth.states) {
		return nil
	}
	if !slices.Equal(st.Starts, want.Starts) {
		return fmt.Errorf("it starts at %v, a reader of the whole log at %v", st.Starts, want.Starts)
	}
	if i, j := newestCut(st.Points, st.Starts), newestCut(want.Points, want.Starts); j >= 0 && (i < 0 || st.Points[i].Seq != want.Points[j].Seq) {
		return fmt.Errorf("it would cut at %d of %+v, a reader of the whole log at %d of %+v", i, st.Points, j, want.Points)
	}
	for id, at := range c.truth.batches {
		w, known := n.core.producers.lookup(id.producer, id.sequence, at.epoch)
		if known == forgotten && c.forgetful {
			continue
		}
		if known != wasStored || w[0].firstOffset != at.base || w[0].partition != at.partition || int(w[0].count) != at.count {
			return fmt.Errorf("of batch %d of producer %d it knows %d: %+v, which is stored at %+v", id.sequence, id.producer, known, w, at)
		}
	}
	if c.kind != wire.KindTable {
		return nil
	}
	for key, r := range c.truth.newest {
		slot, _ := testLayout.Slot(partitionOf(key))
		if head := n.mem.heads[key]; r.Offset >= st.Starts[slot] && head != r.Offset+1 {
			return fmt.Errorf("it holds key %q at offset %d, its newest record is at %d", key, head-1, r.Offset)
		}
	}
	return nil
}

// batchMemory is a materializer in plain maps.
type batchMemory struct {
	heads   map[string]int64
	next    []int64
	records [][]recordbatch.Record // by slot, as far as it has read
}

func (m *batchMemory) Begin(s State) error {
	*m = batchMemory{heads: map[string]int64{}, next: slices.Clone(s.Next), records: make([][]recordbatch.Record, len(s.Next))}
	return nil
}

func (m *batchMemory) Apply(c Committed) error {
	heads := map[string]int64{}
	for _, h := range c.Heads {
		heads[h.Stream] = max(heads[h.Stream], h.Version)
	}
	for _, e := range c.Frame.Entries {
		slot, _ := testLayout.Slot(e.Partition)
		for rest := e.Batches; len(rest) > 0; {
			b, after, err := recordbatch.Parse(rest)
			if err != nil {
				return err
			}
			rest = after
			for r, err := range b.Records() {
				if err != nil {
					return err
				}
				if r.Offset != m.next[slot] {
					return fmt.Errorf("offset %d of slot %d is applied where %d is due", r.Offset, slot, m.next[slot])
				}
				m.next[slot]++
				m.heads[string(r.Key)] = r.Offset + 1
				m.records[slot] = append(m.records[slot], r)
				if h, said := heads[string(r.Key)]; said && h < r.Offset+1 {
					return fmt.Errorf("head of %q is said to be %d, the frame makes it %d", r.Key, h, r.Offset+1)
				}
			}
		}
	}
	if !slices.Equal(c.State.Next, m.next) {
		return fmt.Errorf("the state ends at %v, the records at %v", c.State.Next, m.next)
	}
	return nil
}

func (m *batchMemory) clone() *batchMemory {
	c := &batchMemory{heads: maps.Clone(m.heads), next: slices.Clone(m.next), records: slices.Clone(m.records)}
	for slot := range c.records {
		c.records[slot] = slices.Clip(c.records[slot])
	}
	return c
}

// live are the records that are the newest of their key and no tombstones, oldest first.
func (m *batchMemory) live(slot int) (live []recordbatch.Record) {
	for _, r := range m.records[slot] {
		if r.Value != nil && m.heads[string(r.Key)] == r.Offset+1 {
			live = append(live, r)
		}
	}
	slices.SortFunc(live, func(a, b recordbatch.Record) int { return cmp.Compare(a.Offset, b.Offset) })
	return live
}

func (m *batchMemory) Head(_ int32, key []byte) (int64, error) { return m.heads[string(key)], nil }

var errNotAsked = errors.New("nobody asks this of a topic of batches")

func (m *batchMemory) Events(int32, []byte, int64, int) ([]StoredEvent, error) {
	return nil, errNotAsked
}

func (m *batchMemory) Command(int32, []byte, []byte) (Written, bool, error) {
	return Written{}, false, errNotAsked
}

func (m *batchMemory) Match(*wire.Condition, *index.Steps) (int64, bool, error) {
	return 0, false, errNotAsked
}
