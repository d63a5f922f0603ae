package shard

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// batchCluster is two nodes of a plain or table topic, an engine that loses, delays, duplicates and refuses and whose log is cut in front, and
// producers that time out, retry and give up. Nothing in it runs by itself.
type batchCluster struct {
	kind      string
	logID     uuid.UUID
	log       [][]byte // everything the engine ever held; sequence = index+1
	first     uint64   // sequence of the first message that was not cut away
	leader    int
	nodes     [2]*batchNode
	network   []inflightPublish
	acks      []inflightAck
	requests  []*batchRequest // on their way to a session
	held      []*batchRequest // the same, for so long that others overtake them
	moves     []*Append       // of a cleaner, made and not yet handed in
	producers []*modelProducer
	ops       []*batchOp
	sessions  uint64
	now       time.Time
	truth     *batchTruth
	problem   error
	count     map[string]int

	producersMax     int  // remembered by a node, 0: the default
	snapshotBytesMax int  // the same of what a snapshot says of them
	forgetful        bool // something may be forgotten
}

type batchNode struct {
	core  *Core
	mem   *batchMemory
	index modelIndex[*batchMemory]
}

// modelProducer sends one request at a time, and what has no outcome again before anything else.
type modelProducer struct {
	id      uint64
	last    int32
	epoch   uint64 // of the session that it sent to last: it never goes back
	again   []*batchOp
	request *batchRequest // under way, nil: none
}

// batchOp is one batch, over all its attempts.
type batchOp struct {
	producer   uint64
	number     int32
	partition  int32
	bytes      []byte
	keys       []string // of its records
	expects    []unchanged
	epoch      uint64 // of the session that it was sent to last, 0: none
	since      uint64 // of the first session that it was sent to without an outcome, 0: none
	early      uint64 // the producer says that it was so many epochs before
	unknown    bool   // an attempt to any session may be stored, or be stored later
	untold     bool   // the broker has said that nobody can tell
	done       bool
	indefinite bool
	result     wire.AppendResult
}

type batchRequest struct {
	from    *modelProducer
	session uint64
	ops     []*batchOp
	since   []uint64
	told    []map[string]int64 // the newest of keys by what was acknowledged when it arrived
	results []wire.AppendResult
	left    int
}

type batchTag struct {
	request *batchRequest
	index   int
}

func newBatchCluster(kind string) *batchCluster {
	c := &batchCluster{kind: kind, logID: uuid.UUID{2}, first: 1, now: time.UnixMilli(1_000_000), truth: newBatchTruth(kind), count: map[string]int{}}
	c.truth.state = NewState(c.logID, testLayout)
	for i := range c.nodes {
		c.restart(i)
	}
	for id := range uint64(3) {
		c.producers = append(c.producers, &modelProducer{id: id + 1})
	}
	return c
}

func (c *batchCluster) newNode() *batchNode {
	mem := &batchMemory{heads: map[string]int64{}, next: make([]int64, testLayout.Len()), records: make([][]recordbatch.Record, testLayout.Len())}
	return c.nodeAt(NewState(c.logID, testLayout), newProducers(), mem)
}

func (c *batchCluster) nodeAt(state State, p *producers, mem *batchMemory) *batchNode {
	p.max = cmp.Or(c.producersMax, p.max)
	cfg := CoreConfig{Layout: testLayout, Kind: c.kind, LogID: c.logID, Window: 3, FrameBytesMax: 600, SnapshotBytesMax: c.snapshotBytesMax}
	return &batchNode{mem: mem, core: NewCore(cfg, state, p, mem)}
}

// restart loses everything that a node held, its index too: whoever waited for it hears nothing.
func (c *batchCluster) restart(i int) {
	c.nodes[i] = c.newNode()
	for _, p := range c.producers {
		p.timeout()
	}
}

// restartWithIndex loses what a node held in RAM. It begins where its index ends.
func (c *batchCluster) restartWithIndex(i int) {
	x := c.nodes[i].index
	if x.rows == nil {
		return
	}
	p, err := x.producers()
	c.check(err)
	c.nodes[i] = c.nodeAt(x.state.Clone(), p, x.mem.clone())
	x.marked = false
	c.nodes[i].index = x
	for _, p := range c.producers {
		p.timeout()
	}
}

// passHours lets so much time pass that producers are idle, by the log's own time.
func (c *batchCluster) passHours() {
	c.forgetful = true
	c.now = c.now.Add(2 * time.Hour)
	if i, ok := c.serving(0); ok {
		c.nodes[i].core.Submit(&Append{})
		c.drain(i)
	}
	c.flow()
}

// follow hands a node the log up to a sequence. One that is behind the place where the log was cut begins there anew.
func (c *batchCluster) follow(n *batchNode, reported uint64) {
	if n.core.State().Seq+1 < c.first {
		c.check(n.core.Begin(c.first, c.log[c.first-1]))
		n.index = modelIndex[*batchMemory]{}
		c.count["begun at a snapshot"]++
	}
	for seq := n.core.State().Seq + 1; seq <= reported; seq++ {
		c.check(n.core.Committed(seq, c.log[seq-1]))
	}
}

func (c *batchCluster) elect(i int, reported uint64) {
	if core := c.nodes[i].core; core.Phase() == Serving || core.InFlight() > 0 {
		return
	}
	if c.nodes[i].core.State().Seq > 0 && c.nodes[i].core.State().Seq < c.first {
		c.restart(i) // it can only begin anew
	}
	c.leader = i
	c.follow(c.nodes[i], reported)
	c.sessions++
	c.nodes[i].core.Fence(c.sessions, c.now)
	c.drain(i)
}

func (c *batchCluster) drain(i int) {
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

func (c *batchCluster) check(err error) {
	if err != nil && c.problem == nil {
		c.problem = err
	}
}

// serving is the node of a session, or with 0 the one that metadata names.
func (c *batchCluster) serving(session uint64) (int, bool) {
	best := -1
	for i, n := range c.nodes {
		if n.core.Phase() != Serving || session != 0 && n.core.session != session {
			continue
		}
		if best < 0 || n.core.State().Epoch > c.nodes[best].core.State().Epoch {
			best = i
		}
	}
	return best, best >= 0
}

// send puts a request on its way: what is to be sent again or, when there is none, new batches.
func (c *batchCluster) send(p *modelProducer, fresh func(p *modelProducer) *batchOp, batches int) {
	i, ok := c.serving(0)
	if !ok || p.request != nil || c.nodes[i].core.State().Epoch < p.epoch {
		return
	}
	for len(p.again) == 0 && batches > 0 || len(p.again) > 0 && len(p.again) < batches && p.again[0].epoch == 0 {
		o := fresh(p)
		c.truth.expects[producerSequence{o.producer, uint64(o.number)}] = o.expects
		p.again, c.ops = append(p.again, o), append(c.ops, o)
	}
	if len(p.again) == 0 {
		return
	}
	r := &batchRequest{from: p, session: c.nodes[i].core.session, ops: slices.Clone(p.again), left: len(p.again)}
	p.epoch = c.nodes[i].core.State().Epoch
	for _, o := range r.ops {
		o.epoch = p.epoch
		since := o.since
		if since > 0 {
			since -= min(o.early, since-1)
		}
		r.since = append(r.since, since)
	}
	r.results = make([]wire.AppendResult, len(r.ops))
	p.request = r
	c.requests = append(c.requests, r)
}

// overtake sends a request again while the first is held up, and delivers the second.
func (c *batchCluster) overtake(p *modelProducer, fresh func(p *modelProducer) *batchOp, batches int) {
	c.send(p, fresh, batches)
	if k := slices.Index(c.requests, p.request); k >= 0 {
		c.held = append(c.held, c.requests[k])
		c.requests = slices.Delete(c.requests, k, k+1)
	}
	p.timeout()
	c.send(p, fresh, 0)
	c.flow()
}

// arriveLate delivers what was held up.
func (c *batchCluster) arriveLate() {
	c.requests, c.held = append(c.requests, c.held...), nil
	c.flow()
}

// timeout is a producer that waits no longer: the request may still arrive, or its answer be lost.
func (p *modelProducer) timeout() {
	if p.request == nil {
		return
	}
	for _, o := range p.request.ops {
		o.lost()
	}
	p.request = nil
}

// lost notes an attempt without an outcome.
func (o *batchOp) lost() {
	o.unknown = true
	if o.since == 0 {
		o.since = o.epoch
	}
}

// giveUp ends the oldest batch that is to be sent again.
func (p *modelProducer) giveUp() {
	if p.request != nil || len(p.again) == 0 {
		return
	}
	o := p.again[0]
	p.again = p.again[1:]
	o.done, o.indefinite, o.result = true, o.unknown, wire.AppendResult{Code: wire.Overloaded}
}

// arrive delivers a request to its session. Nobody listens at one that is over: that is a definite answer.
func (c *batchCluster) arrive(k int) {
	r := c.requests[k]
	c.requests = slices.Delete(c.requests, k, k+1)
	i, ok := c.serving(r.session)
	if !ok {
		for n := range r.results {
			r.results[n] = wire.AppendResult{Code: wire.NotLeader}
		}
		r.settle()
		return
	}
	for n, o := range r.ops {
		told := map[string]int64{}
		p := &wire.ProduceBatch{Partition: o.partition, Since: r.since[n], Batch: o.bytes}
		for k, e := range o.expects {
			if told[e.key] = c.told(e.key); k == 0 && e.key == o.keys[0] {
				p.Expected = []int64{e.newest}
				continue
			}
			p.Unchanged = append(p.Unchanged, wire.Unchanged{Key: []byte(e.key), Newest: e.newest})
		}
		r.told = append(r.told, told)
		b, err := newBatch(c.kind, testLayout, o.producer, p)
		if err != nil {
			c.check(err)
			return
		}
		c.nodes[i].core.Submit(&Append{
			Append: wire.Append{Sequence: uint64(o.number), Since: r.since[n]},
			Batch:  b, Producer: o.producer, Session: r.session, Tag: &batchTag{r, n},
		})
	}
	c.drain(i)
}

// told is the newest offset plus 1 of a key, by what was acknowledged.
func (c *batchCluster) told(key string) (newest int64) {
	for _, o := range c.ops {
		if !o.done || o.result.Code != wire.OK {
			continue
		}
		for i, k := range o.keys {
			if k == key {
				newest = max(newest, o.result.Writes[0].FirstOffset+int64(i)+1)
			}
		}
	}
	return newest
}

// checkConflict holds a conflict against the log. One with a newer record is final at once, and need not be the newest; every other must have seen what was
// acknowledged.
func (c *batchCluster) checkConflict(tag *batchTag, r *wire.AppendResult) {
	o := tag.request.ops[tag.index]
	slot, _ := testLayout.Slot(o.partition)
	for _, e := range o.expects {
		newest, told, actual := int64(0), tag.request.told[tag.index][e.key], r.Actual+1
		if at := c.truth.newest[e.key]; at != nil {
			newest = at.Offset + 1
		}
		switch {
		case actual == e.newest || actual > newest: // of another key
		case actual > e.newest, actual >= told, actual == 0 && told <= c.truth.state.Starts[slot]:
			return
		}
	}
	c.check(fmt.Errorf("batch %d of producer %d, which expects %v, was answered %s; when it arrived %v were acknowledged", o.number, o.producer, o.expects, r.Detail, tag.request.told[tag.index]))
}

func (c *batchCluster) answer(i int, a Reply) {
	tag, ok := a.Append.Tag.(*batchTag)
	if !ok { // of a snapshot or a cleaner
		name := "snapshot"
		switch {
		case a.Append.Batch != nil:
			name = "move"
		case a.Append.Starts == nil:
			name = "proof"
		}
		c.count[name+" "+a.Result.Code.String()]++
		return
	}
	c.count["answered "+a.Result.Code.String()]++
	tag.request.results[tag.index] = a.Result
	if a.Result.Code == wire.Conflict {
		c.checkConflict(tag, &a.Result)
	}
	if a.Result.Code == wire.Unknown && c.nodes[i].core.Phase() == Serving {
		tag.request.ops[tag.index].untold = true
	}
	if tag.request.left--; tag.request.left == 0 {
		tag.request.settle()
	}
}

// settle takes the answers to a request, unless its producer has stopped waiting.
func (r *batchRequest) settle() {
	if r.from.request != r {
		return
	}
	r.from.request = nil
	for i, o := range r.ops {
		switch o.result = r.results[i]; o.result.Code {
		case wire.NotLeader, wire.Overloaded:
		case wire.Retry:
			o.since, o.unknown = 0, false
		case wire.Unknown:
			o.lost()
		case wire.OK:
			o.done = true
		default:
			o.done, o.indefinite = true, o.unknown
		}
	}
	r.from.again = slices.DeleteFunc(r.from.again, func(o *batchOp) bool { return o.done })
}

// deliver hands a publish to the engine: the fence compares numbers only.
func (c *batchCluster) deliver(k int, keep bool) {
	p := c.network[k]
	if !keep {
		c.network = slices.Delete(c.network, k, k+1)
	}
	ack := inflightAck{node: p.node, session: p.p.Session, intended: p.p.Seq}
	if uint64(len(c.log)) == p.p.Seq-1 {
		c.log = append(c.log, p.p.Data)
		ack.ok, ack.seq = true, p.p.Seq
		c.check(c.truth.take(p.p.Seq, p.p.Data))
	}
	c.acks = append(c.acks, ack)
}

func (c *batchCluster) refuse(k int) {
	p := c.network[k]
	c.acks = append(c.acks, inflightAck{node: p.node, session: p.p.Session, intended: p.p.Seq})
}

func (c *batchCluster) ackArrives(k int) {
	a := c.acks[k]
	c.acks = slices.Delete(c.acks, k, k+1)
	core := c.nodes[a.node].core
	if a.ok {
		c.check(core.Acked(a.session, a.intended, a.seq))
	} else {
		core.Failed(a.session)
	}
	c.drain(a.node)
}

// flow delivers everything that is under way: nothing goes wrong for a while.
func (c *batchCluster) flow() {
	for len(c.requests)+len(c.network)+len(c.acks) > 0 {
		switch {
		case len(c.network) > 0:
			c.deliver(0, false)
		case len(c.acks) > 0:
			c.ackArrives(0)
		default:
			c.arrive(0)
		}
	}
}

// calm has somebody serve, and delivers everything.
func (c *batchCluster) calm() {
	c.flow()
	n := c.nodes[c.leader].core
	if n.InFlight() > 0 { // its publish or the answer was lost
		n.Failed(n.session)
		c.drain(c.leader)
	}
	c.elect(c.leader, uint64(len(c.log)))
	c.flow()
}

// cut removes what a node holds to be no longer needed. It need not lead: what it goes by is committed.
func (c *batchCluster) cut(i int) {
	st := c.nodes[i].core.State()
	if k := newestCut(st.Points, st.Starts); k >= 0 && st.Points[k].Seq > c.first {
		c.first = st.Points[k].Seq
		c.count["cut"]++
	}
}

// move makes what a cleaner would append: the oldest live records of a partition, as a node knows them.
func (c *batchCluster) move(i, slot, records int) {
	live := c.nodes[i].mem.live(slot)
	if len(live) == 0 {
		return
	}
	m := movement{cleaner: &cleaner{shard: &Shard{cfg: Config{Layout: testLayout}}}, slot: slot, records: live[:min(records, len(live))]}
	c.moves = append(c.moves, &Append{Batch: m.batch()})
}

// snapshot asks a node for one that moves the starts: in a table not beyond a live record.
func (c *batchCluster) snapshot(i int, starts []int64) {
	n := c.nodes[i]
	for slot := range starts {
		if live := n.mem.live(slot); c.kind == wire.KindTable && len(live) > 0 {
			starts[slot] = min(starts[slot], live[0].Offset)
		}
	}
	n.core.Submit(&Append{Starts: starts})
	c.drain(i)
}

// heal delivers what is under way, elects a node over the whole log and lets every producer finish.
func (c *batchCluster) heal() error {
	c.arriveLate()
	for range 200 {
		for i, n := range c.nodes {
			if i != c.leader {
				n.core.Deposed()
				c.drain(i)
			}
		}
		c.flow()
		n := c.nodes[c.leader]
		if n.core.InFlight() > 0 { // its publish or the answer was lost
			n.core.Failed(n.core.session)
			c.drain(c.leader)
		}
		c.elect(c.leader, uint64(len(c.log)))
		open := 0
		for _, p := range c.producers {
			for p.request == nil && len(p.again) > 0 && p.again[0].untold {
				p.giveUp()
			}
			open += len(p.again)
			c.send(p, nil, 0)
		}
		if open == 0 && len(c.requests)+len(c.network)+len(c.acks) == 0 {
			return c.verify()
		}
		if c.problem != nil {
			return c.problem
		}
	}
	return fmt.Errorf("the healed cluster does not come to rest: %d publishes, %d acks, %d requests", len(c.network), len(c.acks), len(c.requests))
}
