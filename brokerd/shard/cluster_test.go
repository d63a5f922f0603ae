package shard

import (
	stdcmp "cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/wire"
)

// The model of the engine and of the clients around it. Nothing in it runs by itself: a schedule says what happens next.

var testLayout = Layout{Shards: 1, Partitions: 3}

// cluster is two nodes, an engine that loses, delays, duplicates and refuses, and clients that retry.
type cluster struct {
	logID    uuid.UUID
	log      [][]byte // what the engine holds; sequence = index+1
	leader   int
	nodes    [2]*node
	network  []inflightPublish // publishes on their way to the engine, oldest first
	acks     []inflightAck     // answers on their way back
	requests []inflightRequest // appends on their way to a session
	held     []inflightRequest // the same, for so long that others overtake them
	ops      []*op
	sessions uint64
	now      time.Time
	problem  error // the first violation seen

	producersMax int // remembered by a node, 0: the default
}

type node struct {
	core  *Core
	mem   *memory
	index modelIndex[*memory]
}

type inflightPublish struct {
	node int
	p    Publish
}

type inflightAck struct {
	node              int
	session, intended uint64
	seq               uint64
	ok                bool
}

type inflightRequest struct {
	session uint64
	op      *op
	since   uint64
	send    int
}

// op is one append of a client, over all its attempts.
type op struct {
	producer, sequence uint64
	write              wire.Write
	also               *wire.Write // stored with it or not at all; nil: nothing else
	conditions         []wire.Condition
	sends              int
	epoch              uint64 // of the session that it was sent to last
	since              uint64 // of the first session that it was sent to without an outcome, 0: none
	early              uint64 // the client says that it was so many epochs before
	unknown            bool   // an earlier attempt may still be stored
	untold             bool   // the broker has said that nobody can tell
	waiting            bool   // an attempt is on its way, or being decided
	arrived            map[*Append]arrival
	done               bool
	result             wire.AppendResult // the answer that the client believes, when done
	indefinite         bool              // done without an answer
}

// arrival is what had been acknowledged when an attempt arrived: an answer to it must have seen that. Answers to earlier attempts come late.
type arrival struct {
	send   int
	floors []int64 // the highest acknowledged version of each stream
	ends   []int64 // of the partition of each condition
}

// confirm is a strict read: what had been acknowledged before it arrived must be in the state that answers it.
type confirm struct {
	node  int
	acked []*op
}

func newCluster() *cluster {
	c := &cluster{logID: uuid.UUID{1}, now: time.UnixMilli(1_000_000)}
	for i := range c.nodes {
		c.restart(i)
	}
	return c
}

// restart loses everything that a node held, its index too.
func (c *cluster) restart(i int) {
	c.start(i, NewState(c.logID, testLayout), newProducers(), newMemory())
}

// restartWithIndex loses what a node held in RAM. It begins where its index ends.
func (c *cluster) restartWithIndex(i int) {
	x := c.nodes[i].index
	if x.rows == nil {
		return
	}
	p, err := x.producers()
	c.check(err)
	c.start(i, x.state.Clone(), p, x.mem.clone())
	x.marked = false
	c.nodes[i].index = x
}

func (c *cluster) start(i int, state State, p *producers, mem *memory) {
	p.max = stdcmp.Or(c.producersMax, p.max)
	c.nodes[i] = &node{mem: mem, core: NewCore(CoreConfig{Layout: testLayout, LogID: c.logID, Window: 3, FrameBytesMax: 600}, state, p, mem)}
}

// passHours lets so much time pass that producers are idle, by the log's own time.
func (c *cluster) passHours() {
	c.now = c.now.Add(2 * time.Hour)
	c.confirm(c.leader)
	c.flow()
}

// elect makes a node believe that it leads: it reads up to what the engine reports, which may be behind, and fences.
func (c *cluster) elect(i int, reported int) {
	n := c.nodes[i]
	if n.core.Phase() == Serving || n.core.InFlight() > 0 {
		return
	}
	c.leader = i
	for seq := n.core.State().Seq + 1; seq <= uint64(reported); seq++ {
		c.check(n.core.Committed(seq, c.log[seq-1]))
	}
	c.sessions++
	n.core.Fence(c.sessions, c.now)
	c.drain(i)
}

// drain carries out what a core asks for.
func (c *cluster) drain(i int) {
	n := c.nodes[i]
	c.check(n.core.Pump(c.now))
	replies, publish := n.core.Take()
	for _, r := range replies {
		c.answer(i, r)
	}
	for _, p := range publish {
		c.network = append(c.network, inflightPublish{i, p})
	}
}

func (c *cluster) check(err error) {
	if err != nil && c.problem == nil {
		c.problem = err
	}
}

// serving is the node that serves a session, nil when none does.
func (c *cluster) serving(session uint64) (int, bool) {
	for i, n := range c.nodes {
		if n.core.Phase() == Serving && n.core.session == session {
			return i, true
		}
	}
	return 0, false
}

// route is the session that metadata would name: the one with the highest epoch.
func (c *cluster) route() (session, epoch uint64, ok bool) {
	var best *Core
	for _, n := range c.nodes {
		if n.core.Phase() == Serving && (best == nil || n.core.State().Epoch > best.State().Epoch) {
			best = n.core
		}
	}
	if best == nil {
		return 0, 0, false
	}
	return best.session, best.State().Epoch, true
}

// send puts an attempt of an op on its way. A client never goes back to a session that it has left.
func (c *cluster) send(o *op) {
	session, epoch, ok := c.route()
	if !ok || epoch < o.epoch {
		return
	}
	since := o.since
	if since > 0 {
		since -= min(o.early, since-1)
	}
	o.epoch, o.waiting = epoch, true
	o.sends++
	c.requests = append(c.requests, inflightRequest{session: session, op: o, since: since, send: o.sends})
}

// lost notes an attempt without an outcome.
func (o *op) lost() {
	o.unknown = true
	if o.since == 0 {
		o.since = o.epoch
	}
}

// overtake sends an attempt again while the first is held up, and delivers the second.
func (c *cluster) overtake(o *op) {
	if !o.waiting {
		c.send(o)
	}
	if k := slices.IndexFunc(c.requests, func(r inflightRequest) bool { return r.op == o }); k >= 0 {
		c.held = append(c.held, c.requests[k])
		c.requests = slices.Delete(c.requests, k, k+1)
	}
	o.giveUpWaiting()
	if !o.done {
		c.send(o)
	}
	c.flow()
}

// arriveLate delivers what was held up.
func (c *cluster) arriveLate() {
	c.requests, c.held = append(c.requests, c.held...), nil
	c.flow()
}

// arrive delivers a request. Nobody subscribes to a session that is over: that is a definite answer.
func (c *cluster) arrive(k int) {
	r := c.requests[k]
	c.requests = append(c.requests[:k:k], c.requests[k+1:]...)
	i, ok := c.serving(r.session)
	if !ok {
		r.op.waiting = false
		return
	}
	at := arrival{send: r.send, ends: c.acknowledgedEnds(r.op.conditions)}
	for _, w := range r.op.writes() {
		at.floors = append(at.floors, c.acknowledged(string(w.Stream)))
	}
	a := &Append{
		Append:   wire.Append{Sequence: r.op.sequence, Since: r.since, Writes: r.op.writes(), Conditions: r.op.conditions},
		Producer: r.op.producer, Tag: r.op,
	}
	if r.op.arrived == nil {
		r.op.arrived = map[*Append]arrival{}
	}
	r.op.arrived[a] = at
	c.nodes[i].core.Submit(a)
	c.drain(i)
}

func (o *op) writes() []wire.Write {
	if o.also == nil {
		return []wire.Write{o.write}
	}
	return []wire.Write{o.write, *o.also}
}

// giveUpWaiting is a client's time-out: the attempt may still arrive, or its answer may be lost.
func (o *op) giveUpWaiting() {
	if o.waiting && !o.done {
		o.waiting = false
		o.lost()
	}
}

// answer is an answer that reaches its client.
func (c *cluster) answer(i int, r Reply) {
	if s, ok := r.Append.Tag.(*confirm); ok {
		if r.Result.Code == wire.OK {
			c.checkConfirm(i, s)
		}
		return
	}
	o := r.Append.Tag.(*op)
	if o.done {
		return
	}
	o.waiting = false
	switch r.Result.Code {
	case wire.OK:
		o.done, o.result = true, r.Result
	case wire.Conflict:
		w, floor := o.writes()[r.Result.Write], o.arrived[r.Append].floors[r.Result.Write]
		monotone := w.Expected >= wire.NoStream && r.Result.Actual > int64(w.Expected)
		// A monotone conflict is final at once, so its version may be an old one; every other must have seen what was acknowledged.
		if now := c.version(string(w.Stream)); !monotone && r.Result.Actual < floor || r.Result.Actual > now {
			c.check(fmt.Errorf("op %d/%d was answered that %q is at version %d: when it arrived version %d was acknowledged, and the log has %d now",
				o.producer, o.sequence, w.Stream, r.Result.Actual, floor, now))
		}
		if o.unknown && !monotone {
			o.done, o.indefinite = true, true
			return
		}
		o.done, o.result = true, r.Result
	case wire.ConditionFailed: // by an event that is stored, so it is final whatever became of earlier attempts
		c.check(c.checkRuledOut(o, &r.Result))
		o.done, o.result = true, r.Result
	case wire.OffsetRange:
		ends := o.arrived[r.Append].ends
		if end := r.Result.Actual; end >= o.conditions[r.Result.Write].After || end < ends[r.Result.Write] {
			c.check(fmt.Errorf("op %d/%d was answered that a partition ends at %d, and %d was acknowledged when it arrived", o.producer, o.sequence, end, ends[r.Result.Write]))
		}
		if o.done, o.indefinite = true, o.unknown; !o.unknown {
			o.result = r.Result
		}
	case wire.NotLeader:
	case wire.Retry:
		if o.arrived[r.Append].send == o.sends { // no client waits for the answer to an earlier one
			o.unknown, o.since = false, 0
		}
	case wire.Unknown:
		o.lost()
		o.untold = o.untold || c.nodes[i].core.Phase() == Serving
	default:
		c.check(fmt.Errorf("op %d/%d was answered %v: %s", o.producer, o.sequence, r.Result.Code, r.Result.Detail))
	}
}

// acknowledged is the highest version of a stream that a client was told of.
func (c *cluster) acknowledged(stream string) int64 {
	v := int64(0)
	for _, o := range c.ops {
		if !o.done || o.indefinite || o.result.Code != wire.OK {
			continue
		}
		for i, w := range o.writes() {
			if at := o.result.Writes[i]; string(w.Stream) == stream {
				v = max(v, at.FirstVersion+int64(at.Count)-1)
			}
		}
	}
	return v
}

// version is what the log makes of a stream.
func (c *cluster) version(stream string) int64 {
	records, err := c.valid(true)
	c.check(err)
	n := int64(0)
	for _, r := range records {
		if r.Stream == stream {
			n++
		}
	}
	return n
}

func (c *cluster) checkConfirm(i int, s *confirm) {
	for _, o := range s.acked {
		at := o.result.Writes[0]
		events := c.nodes[i].mem.streams[string(o.write.Stream)]
		if int64(len(events)) < at.FirstVersion || events[at.FirstVersion-1].ID != o.write.Events[0].ID {
			c.check(fmt.Errorf("a strict read at node %d does not see version %d of %q, acknowledged before it arrived", i, at.FirstVersion, o.write.Stream))
		}
	}
}

func (c *cluster) confirm(i int) {
	s := &confirm{node: i}
	for _, o := range c.ops {
		if o.done && !o.indefinite && o.result.Code == wire.OK && !o.byCommand() {
			s.acked = append(s.acked, o)
		}
	}
	c.nodes[i].core.Submit(&Append{Tag: s})
	c.drain(i)
}

// deliver hands a publish to the engine: the fence compares numbers only.
func (c *cluster) deliver(k int, keep bool) {
	p := c.network[k]
	if !keep {
		c.network = append(c.network[:k:k], c.network[k+1:]...)
	}
	ack := inflightAck{node: p.node, session: p.p.Session, intended: p.p.Seq}
	if uint64(len(c.log)) == p.p.Seq-1 {
		c.log = append(c.log, p.p.Data)
		ack.ok, ack.seq = true, p.p.Seq
	}
	c.acks = append(c.acks, ack)
}

// refuse answers a publish with an error, although it may still be stored later.
func (c *cluster) refuse(k int) {
	p := c.network[k]
	c.acks = append(c.acks, inflightAck{node: p.node, session: p.p.Session, intended: p.p.Seq})
}

func (c *cluster) ackArrives(k int) {
	a := c.acks[k]
	c.acks = append(c.acks[:k:k], c.acks[k+1:]...)
	core := c.nodes[a.node].core
	if a.ok {
		c.check(core.Acked(a.session, a.intended, a.seq))
	} else {
		core.Failed(a.session)
	}
	c.drain(a.node)
}

// valid folds the log by V, or takes every frame as it comes when V is switched off.
func (c *cluster) valid(useV bool) ([]storedRecord, error) {
	state := NewState(c.logID, testLayout)
	var all []storedRecord
	for i, data := range c.log {
		f, ok, err := state.Apply(uint64(i+1), data)
		if err != nil {
			return nil, err
		}
		if !ok && useV {
			continue
		}
		records, err := recordsOf(&f)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, nil
}

// verify checks every promise against the log as it stands.
func (c *cluster) verify(useV bool) error {
	if c.problem != nil {
		return c.problem
	}
	records, err := c.valid(useV)
	if err != nil {
		return err
	}
	next := map[int32]int64{}
	versions := map[string]int64{}
	byID := map[uuid.UUID]storedRecord{}
	for _, r := range records {
		if r.Offset != next[r.Partition] {
			return fmt.Errorf("partition %d: offset %d where %d is due", r.Partition, r.Offset, next[r.Partition])
		}
		next[r.Partition]++
		if r.Version != versions[r.Stream]+1 {
			return fmt.Errorf("stream %q: version %d follows %d", r.Stream, r.Version, versions[r.Stream])
		}
		versions[r.Stream]++
		if _, twice := byID[r.ID]; twice {
			return fmt.Errorf("event %s of stream %q is stored twice", r.ID, r.Stream)
		}
		byID[r.ID] = r
	}
	if err := c.verifyConditions(records); err != nil {
		return err
	}
	if useV {
		for i, n := range c.nodes {
			if err := n.remembers(records); err != nil {
				return fmt.Errorf("node %d: %w", i, err)
			}
		}
	}
	for _, o := range c.ops {
		if err := verifyWhole(o, byID); err != nil {
			return fmt.Errorf("producer %d, sequence %d: %w", o.producer, o.sequence, err)
		}
		if !o.done || o.indefinite {
			continue
		}
		if err := verifyOp(o, byID); err != nil {
			return fmt.Errorf("producer %d, sequence %d, expected %d of %q: %w", o.producer, o.sequence, o.write.Expected, o.write.Stream, err)
		}
	}
	return nil
}

// remembers checks that a node takes nothing that it has read for new, whatever it has forgotten.
func (n *node) remembers(records []storedRecord) error {
	for _, r := range records {
		if r.Producer == 0 || r.Seq > n.core.State().Seq {
			continue
		}
		writes, known := n.core.producers.lookup(r.Producer, r.Sequence, r.Epoch)
		found := slices.ContainsFunc(writes, func(w stored) bool { return w.partition == r.Partition && w.firstOffset == r.Offset })
		if known == neverStored || known == wasStored && !found {
			return fmt.Errorf("of sequence %d of producer %d, stored in epoch %d, it knows %d: %+v", r.Sequence, r.Producer, r.Epoch, known, writes)
		}
	}
	return nil
}

// verifyWhole checks that an append is stored in one frame, or not at all, whatever its client was told.
func verifyWhole(o *op, byID map[uuid.UUID]storedRecord) error {
	first, some := byID[o.write.Events[0].ID]
	for _, w := range o.writes() {
		for _, e := range w.Events {
			if r, stored := byID[e.ID]; stored != some || r.Seq != first.Seq {
				return fmt.Errorf("event %s of stream %q is stored: %t, in frame %d; the append's first event: %t, %d", e.ID, w.Stream, stored, r.Seq, some, first.Seq)
			}
		}
	}
	return nil
}

func verifyOp(o *op, byID map[uuid.UUID]storedRecord) error {
	for i, w := range o.writes() {
		if err := verifyWrite(o, i, w, byID); err != nil {
			return err
		}
	}
	return nil
}

func verifyWrite(o *op, write int, w wire.Write, byID map[uuid.UUID]storedRecord) error {
	for i, e := range w.Events {
		r, stored := byID[e.ID]
		switch {
		case o.result.Code != wire.OK && stored:
			return fmt.Errorf("answered %v, but event %d is stored at version %d", o.result.Code, i, r.Version)
		case o.byCommand():
			continue
		case o.result.Code == wire.OK && !stored:
			return fmt.Errorf("answered success, but event %d is not in the log", i)
		case o.result.Code == wire.OK:
			at := o.result.Writes[write]
			if r.Version != at.FirstVersion+int64(i) || r.Offset != at.FirstOffset+int64(i) {
				return fmt.Errorf("event %d was answered version %d offset %d, and is at %d, %d", i, at.FirstVersion+int64(i), at.FirstOffset+int64(i), r.Version, r.Offset)
			}
			if w.Expected >= wire.NoStream && at.FirstVersion != int64(w.Expected)+1 {
				return fmt.Errorf("stored at version %d", at.FirstVersion)
			}
		}
	}
	return nil
}

// heal delivers what is under way, elects a node over the whole log and lets every client finish.
func (c *cluster) heal() error {
	c.arriveLate()
	for range 200 {
		for len(c.network) > 0 {
			c.deliver(0, false)
		}
		for len(c.acks) > 0 {
			c.ackArrives(0)
		}
		for i, n := range c.nodes {
			if i != c.leader {
				n.core.Deposed()
				c.drain(i)
			}
		}
		n := c.nodes[c.leader]
		if n.core.InFlight() > 0 { // its publish or the answer was lost
			n.core.Failed(n.core.session)
			c.drain(c.leader)
		}
		if n.core.Phase() != Serving {
			c.elect(c.leader, len(c.log))
		}
		for len(c.requests) > 0 {
			c.arrive(0)
		}
		open := 0
		for _, o := range c.ops {
			if o.done {
				continue
			}
			if o.untold && !o.waiting {
				o.done, o.indefinite = true, true // the client's budget ends
				continue
			}
			open++
			if !o.waiting {
				c.send(o)
			}
		}
		if open == 0 && len(c.network) == 0 && len(c.acks) == 0 && len(c.requests) == 0 {
			return c.verify(true)
		}
		if c.problem != nil {
			return c.problem
		}
	}
	return fmt.Errorf("the healed cluster does not come to rest: %d publishes, %d acks, %d requests", len(c.network), len(c.acks), len(c.requests))
}

func partitionOf(stream string) int32 { return partitioner.Partition(stream, testLayout.Partitions) }

// byCommand says whether an op may have been answered with the result of another op of the same command.
func (o *op) byCommand() bool {
	return o.result.Code == wire.OK && o.result.Duplicate && len(o.write.CommandID) > 0
}
