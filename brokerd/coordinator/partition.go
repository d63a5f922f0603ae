package coordinator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/groups"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

const (
	readMax   = 3 * time.Second        // that a request waits for its partition to be read
	lookEvery = 250 * time.Millisecond // for members that were not heard for too long
	idleMax   = time.Second            // without a look members could not be heard: they are given their time anew
	gonePause = 30 * time.Second       // between two looks for topics that were deleted
	readPause = 200 * time.Millisecond // before a partition that could not be read is read again
)

// partition runs the groups of one partition of the groups topic. What is not said to be shared belongs to run's goroutine.
type partition struct {
	cfg    *Config
	number int32

	calls chan call     // shared
	looks chan look     // shared
	ended chan struct{} // closed when run has ended

	state    *groups.Coordinator
	builder  recordbatch.Builder
	producer uint64
	sequence int32 // of the newest batch
	waiting  map[string][]call
	turns    map[string]turn // under way, by group
	round    int             // how often the partition was read: what was decided before is void

	background sync.WaitGroup
	watches    // shared

	mu       sync.Mutex
	outcomes []outcome
	wake     chan struct{}
}

// look is given the groups, or why there are none.
type look func(state *groups.Coordinator, err error)

// call is a request that waits to take part in a turn.
type call struct {
	group   string
	request groups.Request
	answer  chan<- result // of size 1; nil: nobody waits for it
}

// result is the outcome of a call: reply holds when the code is OK.
type result struct {
	reply  groups.Reply
	code   wire.Code
	detail string
}

func (c call) give(r result) {
	if c.answer != nil {
		c.answer <- r
	}
}

// turn is a decision that is being stored.
type turn struct {
	decision groups.Decision
	calls    []call
}

// outcome is what became of a turn.
type outcome struct {
	group  string
	round  int
	result wire.ProduceResult
}

func newPartition(cfg *Config, number int32) *partition {
	return &partition{
		cfg: cfg, number: number, calls: make(chan call), looks: make(chan look), ended: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// do hands a request in and waits for its outcome.
func (p *partition) do(ctx context.Context, group string, request groups.Request) result {
	answer := make(chan result, 1)
	if code, detail := hand(ctx, p, p.calls, call{group, request, answer}); code != wire.OK {
		return result{code: code, detail: detail}
	}
	select {
	case r := <-answer:
		return r
	case <-p.ended:
		select {
		case r := <-answer:
			return r
		default:
			return result{code: wire.Unknown, detail: "the coordinator's session ended"}
		}
	case <-ctx.Done():
		return result{code: wire.Unknown, detail: ctx.Err().Error()}
	}
}

// look has fn look at the groups.
func (p *partition) look(ctx context.Context, fn func(*groups.Coordinator)) (wire.Code, string) {
	looked := make(chan struct{})
	var broken error
	code, detail := hand(ctx, p, p.looks, func(state *groups.Coordinator, err error) {
		defer close(looked)
		if broken = err; err == nil {
			fn(state)
		}
	}, looked)
	if broken != nil {
		return wire.Corrupt, broken.Error()
	}
	return code, detail
}

// hand gives something to the goroutine of run, as soon as that has read the partition, and waits until it is done with.
func hand[T any](ctx context.Context, p *partition, to chan<- T, v T, done ...<-chan struct{}) (wire.Code, string) {
	timeout := time.NewTimer(readMax)
	defer timeout.Stop()
	select {
	case to <- v:
	case <-timeout.C:
		return wire.Retry, "the groups are being read"
	case <-p.ended:
		return wire.NotLeader, "the coordinator's session ended"
	case <-ctx.Done():
		return wire.NotLeader, ctx.Err().Error()
	}
	for _, d := range done { // which run sees to before anything else
		<-d
	}
	return wire.OK, ""
}

// prove returns OK when the session served a moment ago: when the call began or later.
func (p *partition) prove(ctx context.Context) (wire.Code, string) {
	r := p.cfg.Log.Get(ctx, wire.GetRequest{Partition: p.number, Key: []byte("{}"), Strict: true}, nil)
	return r.Code, r.Detail
}

// run reads the partition and serves it, until ctx ends.
func (p *partition) run(ctx context.Context) {
	defer p.background.Wait()
	defer close(p.ended)
	for ctx.Err() == nil {
		p.waiting, p.turns = map[string][]call{}, map[string]turn{}
		p.round++
		err := p.read(ctx)
		if err == nil {
			err = p.serve(ctx)
		}
		for _, t := range p.turns {
			giveAll(t.calls, result{code: wire.Unknown, detail: "whether it is stored is not known"})
		}
		for _, calls := range p.waiting {
			giveAll(calls, result{code: wire.NotLeader, detail: "the coordinator's session ended"})
		}
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errCorrupt):
			p.cfg.Logger.Error("the groups of a partition cannot be read", "partition", p.number, "error", err)
			p.refuse(ctx, err)
		default:
			p.cfg.Logger.Warn("the groups of a partition are read again", "partition", p.number, "error", err)
			select {
			case <-time.After(readPause):
			case <-ctx.Done():
			}
		}
	}
}

func giveAll(calls []call, r result) {
	for _, c := range calls {
		c.give(r)
	}
}

// errCorrupt means that the partition's records are no state of groups.
var errCorrupt = errors.New("the records of the groups topic cannot be understood")

// refuse answers everything with what is wrong, until ctx ends.
func (p *partition) refuse(ctx context.Context, err error) {
	for {
		select {
		case c := <-p.calls:
			c.give(result{code: wire.Corrupt, detail: err.Error()})
		case look := <-p.looks:
			look(nil, err)
		case <-ctx.Done():
			return
		}
	}
}

// read makes the groups from the log. If anything was decided before, it makes sure first that what became of that is in the log.
func (p *partition) read(ctx context.Context) error {
	if p.round > 1 {
		if code, detail := p.prove(ctx); code != wire.OK {
			return fmt.Errorf("%s: %s", code, detail)
		}
	}
	id := uuid.New()
	p.state, p.producer, p.sequence = groups.New(p.cfg.Limits), binary.BigEndian.Uint64(id[:])|1, 0
	end, err := p.replay(ctx)
	if err != nil {
		return err
	}
	if err := p.state.Restarted(time.Now(), end); err != nil {
		return fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return nil
}

// replay applies all records, and returns the offset of the one that comes next.
func (p *partition) replay(ctx context.Context) (int64, error) {
	var scratch []byte
	for next, begun := int64(0), false; ; {
		r := p.cfg.Log.Fetch(ctx, wire.FetchRequest{Partition: p.number, Offset: next, MaxBytes: wire.FetchBytesMax}, nil, &scratch)
		switch {
		case r.Code == wire.OffsetRange && !begun:
			next, begun = r.Start, true
			continue
		case r.Code != wire.OK: // OffsetRange as well: the deletion of a key that was read may be among what was cut away
			return 0, fmt.Errorf("reading partition %d of the groups from offset %d: %s: %s", p.number, next, r.Code, r.Detail)
		}
		begun = true
		for rest := r.Batches; len(rest) > 0; {
			batch, after, err := recordbatch.Parse(rest)
			if err != nil {
				return 0, fmt.Errorf("reading partition %d of the groups: %w", p.number, err)
			}
			rest = after
			for record, err := range batch.Records() {
				if err != nil {
					return 0, fmt.Errorf("reading partition %d of the groups: %w", p.number, err)
				}
				if record.Offset < next {
					continue
				}
				next = record.Offset + 1
				if err := p.state.Apply(groups.Record{Key: record.Key, Value: record.Value}); err != nil {
					return 0, fmt.Errorf("%w: partition %d, offset %d: %w", errCorrupt, p.number, record.Offset, err)
				}
			}
		}
		if next >= r.HighWatermark {
			return next, nil
		}
	}
}

// serve takes turns until ctx ends, or something is not known.
func (p *partition) serve(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	sweep := time.NewTimer(0)
	defer sweep.Stop()
	last := time.Now()
	for {
		select {
		case c := <-p.calls:
			p.waiting[c.group] = append(p.waiting[c.group], c)
		case look := <-p.looks:
			look(p.state, nil)
		case <-p.wake:
		case <-tick.C:
		case <-sweep.C:
			p.sweep(ctx)
			sweep.Reset(gonePause)
		case <-ctx.Done():
			return ctx.Err()
		}
		p.gather()
		now := time.Now()
		if now.Sub(last) > idleMax {
			p.state.Woke(now)
		}
		last = now
		if err := p.settle(now); err != nil {
			return err
		}
		p.take(now)
	}
}

// gather takes in what waits beside the first request: it shares its turn.
func (p *partition) gather() {
	for {
		select {
		case c := <-p.calls:
			p.waiting[c.group] = append(p.waiting[c.group], c)
		default:
			return
		}
	}
}

// take has every group that can take a turn, and has a reason to.
func (p *partition) take(now time.Time) {
	for name := range p.waiting {
		p.decide(now, name)
	}
	for _, name := range p.state.Due(now) {
		p.decide(now, name)
	}
}

// decide takes turns of a group until one has to be stored, or nothing waits.
func (p *partition) decide(now time.Time, name string) {
	if _, busy := p.turns[name]; busy {
		return
	}
	for {
		calls := p.waiting[name]
		requests := make([]groups.Request, len(calls))
		for i, c := range calls {
			requests[i] = c.request
		}
		d := p.state.Decide(now, name, requests)
		done, left := calls[:len(d.Replies)], calls[len(d.Replies):]
		if p.waiting[name] = left; len(left) == 0 {
			delete(p.waiting, name)
		}
		if len(d.Records) > 0 {
			p.turns[name] = turn{d, done}
			p.store(now, d)
			return
		}
		for i, c := range done {
			c.give(result{reply: d.Replies[i]})
		}
		if len(left) == 0 || len(done) == 0 {
			return
		}
	}
}

// store appends the records of a turn.
func (p *partition) store(now time.Time, d groups.Decision) {
	if p.sequence == math.MaxInt32 {
		id := uuid.New()
		p.producer, p.sequence = binary.BigEndian.Uint64(id[:])|1, 0
	}
	p.sequence++
	at := now.UnixMilli()
	p.builder.Reset(0, at, 0)
	p.builder.SetProducer(int64(p.producer), 0, p.sequence)
	for _, r := range d.Records {
		p.builder.Append(recordbatch.Entry{Timestamp: at, Key: r.Key, Value: r.Value})
	}
	batch := p.builder.AppendTo(nil)
	group, round := d.Group, p.round
	p.cfg.Log.Produce(p.cfg.Session, p.producer, []wire.ProduceBatch{{Partition: p.number, Batch: batch}}, len(batch), func(r []wire.ProduceResult) {
		p.mu.Lock()
		p.outcomes = append(p.outcomes, outcome{group, round, r[0]})
		p.mu.Unlock()
		select {
		case p.wake <- struct{}{}:
		default:
		}
	})
}

// settle ends the turns whose outcome has come.
func (p *partition) settle(now time.Time) error {
	p.mu.Lock()
	outcomes := p.outcomes
	p.outcomes = nil
	p.mu.Unlock()
	for _, o := range outcomes {
		t, ok := p.turns[o.group]
		if !ok || o.round != p.round {
			continue // of what was read since
		}
		switch o.result.Code {
		case wire.OK:
			if err := p.state.Stored(now, t.decision, o.result.BaseOffset+int64(len(t.decision.Records))); err != nil {
				return fmt.Errorf("%w: %w", errCorrupt, err)
			}
			p.report(t.decision)
			p.tell(t.decision.Changed)
			for i, c := range t.calls {
				c.give(result{reply: t.decision.Replies[i]})
			}
		case wire.Retry, wire.NotLeader, wire.Overloaded, wire.NoStorage, wire.NotEnoughSync, wire.TooLarge, wire.Invalid:
			if err := p.state.Dropped(t.decision); err != nil {
				return err
			}
			giveAll(t.calls, result{code: o.result.Code, detail: o.result.Detail})
		default:
			return fmt.Errorf("what became of a turn of group %q is not known: %s: %s", o.group, o.result.Code, o.result.Detail)
		}
		delete(p.turns, o.group)
	}
	return nil
}

// report tells operators of members that were taken for dead.
func (p *partition) report(d groups.Decision) {
	for _, m := range d.Expired {
		reason := "it did not give up a partition in time"
		if m.Silent {
			reason = "it was not heard in time"
		}
		p.cfg.Logger.Warn("a member of a group was taken for dead", "group", d.Group, "member", m.Member, "reason", reason)
	}
}

// sweep has groups forget topics that were deleted.
func (p *partition) sweep(ctx context.Context) {
	if p.cfg.Gone == nil {
		return
	}
	byTopic := map[uuid.UUID][]string{}
	for _, name := range p.state.Names() {
		for _, id := range topicsOf(p.state, name) {
			byTopic[id] = append(byTopic[id], name)
		}
	}
	if len(byTopic) == 0 {
		return
	}
	topics := make([]uuid.UUID, 0, len(byTopic))
	for id := range byTopic {
		topics = append(topics, id)
	}
	p.background.Go(func() { // it asks other nodes
		gone, err := p.cfg.Gone(ctx, topics)
		if err != nil {
			p.cfg.Logger.Debug("whether topics of groups were deleted is not known yet", "error", err)
			return
		}
		for _, id := range gone {
			for _, name := range byTopic[id] {
				select {
				case p.calls <- call{group: name, request: groups.ForgetTopic{Topic: id}}:
				case <-p.ended:
					return
				}
			}
		}
	})
}
