package groups

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// world is one group with its processes, a network that loses, repeats and delays, a log, and coordinators that fail.
type world struct {
	c         *Coordinator
	log       *ledger
	now       time.Time
	processes []*process

	requests []message // under way
	queue    []message // have arrived
	open     *openTurn
	replies  []answer // under way

	sent  []message // all that ever was
	judge *judge
	stats map[string]int
}

type message struct {
	from    *process // nil: an operator
	member  uuid.UUID
	number  int // of a join or heartbeat
	request Request
}

type openTurn struct {
	decision Decision
	messages []message
	before   *group
	fate     *fate
}

type answer struct {
	message
	reply Reply
}

func newWorld(stats map[string]int) *world {
	return &world{c: New(Limits{}), log: newLedger(), now: time.Unix(0, 0), judge: newJudge(), stats: stats}
}

// group is the group as the log has it.
func (w *world) group() *group {
	if g := w.c.groups["g"]; g != nil {
		return g
	}
	return newGroup("g")
}

func (w *world) start(instance string, topics []Topic, session, rebalance time.Duration) {
	w.processes = append(w.processes, &process{
		instance: instance, id: uuid.New(), topics: topics, session: session, rebalance: rebalance,
		running: map[Partition]*work{}, stopped: map[Partition]uint64{},
	})
}

func (w *world) send(p *process, r Request) {
	m := message{from: p, request: r}
	if p != nil {
		m.member = p.id
		switch r.(type) {
		case Join, Heartbeat:
			p.request++
			m.number = p.request
		}
	}
	w.requests, w.sent = append(w.requests, m), append(w.sent, m)
}

// late brings a copy of a request from long ago.
func (w *world) late(i int) {
	w.queue = append(w.queue, w.sent[i])
	w.stats[fmt.Sprintf("late %T", w.sent[i].request)]++
}

// arrive takes a request from the network, or a copy of it.
func (w *world) arrive(i int, keep bool) {
	w.queue = append(w.queue, w.requests[i])
	if !keep {
		w.requests = slices.Delete(w.requests, i, i+1)
	}
}

// turn decides on what has arrived.
func (w *world) turn() error {
	requests := make([]Request, len(w.queue))
	for i, m := range w.queue {
		requests[i] = m.request
	}
	d := w.c.Decide(w.now, "g", requests)
	t := &openTurn{decision: d, messages: w.queue[:len(d.Replies):len(d.Replies)], before: w.snapshot()}
	w.queue = w.queue[len(d.Replies):]
	w.stats["expired"] += len(d.Expired)
	var err error
	if t.fate, err = w.judge.decided(w.now, t.before, t, len(w.queue) == 0); err != nil {
		return err
	}
	next, err := w.next(d)
	if err != nil {
		return err
	}
	if err := w.judge.told(next, t); err != nil {
		return err
	}
	if len(d.Records) == 0 {
		w.answer(t)
		return nil
	}
	w.open = t
	return nil
}

// snapshot is the group as the log has it, and stays so: what is in its maps is replaced, never changed, but for timers.
func (w *world) snapshot() *group {
	g := *w.group()
	g.members, g.topics, g.offsets = maps.Clone(g.members), maps.Clone(g.topics), maps.Clone(g.offsets)
	return &g
}

func (w *world) answer(t *openTurn) {
	for i, r := range t.decision.Replies {
		w.replies = append(w.replies, answer{t.messages[i], r})
	}
}

// next is the group as a turn makes it.
func (w *world) next(d Decision) (*group, error) {
	g := w.snapshot()
	for _, r := range d.Records {
		k, err := parseKey(string(r.Key))
		if err == nil {
			_, err = g.apply(k, r.Value)
		}
		if err != nil {
			return nil, err
		}
	}
	return g, nil
}

// assigned is who has each partition.
func assigned(g *group) map[Assignment]uuid.UUID {
	ids := map[uint64]uuid.UUID{}
	for _, m := range g.members {
		ids[m.number] = m.id
	}
	all := map[Assignment]uuid.UUID{}
	for _, t := range g.topics {
		for p, s := range t.slots {
			if s.owner != 0 {
				all[Assignment{Partition{t.id, int32(p)}, s.epoch}] = ids[s.owner]
			}
		}
	}
	return all
}

func (w *world) process(id uuid.UUID) *process {
	for _, p := range w.processes {
		if p.id == id {
			return p
		}
	}
	return nil
}

// land puts the records of the open turn into the log, and has it judged.
func (w *world) land() error {
	t := w.open
	if err := w.log.append(t.decision.Records); err != nil {
		return err
	}
	next, err := w.next(t.decision)
	if err != nil {
		return err
	}
	moved, err := w.judge.landed(t.before, next, t, w.process)
	w.stats["moved"] += moved
	for _, r := range t.decision.Replies {
		for _, err := range r.Commits {
			if err == nil {
				w.stats["committed"]++
			} else if errors.Is(err, ErrFencedMember) {
				w.stats["fenced commit"]++
			}
		}
	}
	for id := range next.members {
		if p := w.process(id); t.before.members[id] == nil && (p == nil || p.share != nil || p.ended) {
			w.stats["ghost"]++
		}
	}
	return err
}

func (w *world) store() error {
	if err := w.land(); err != nil {
		return err
	}
	t := w.open
	w.open = nil
	if err := w.c.Stored(w.now, t.decision, w.log.end()); err != nil {
		return err
	}
	w.judge.stored(w.now, t.before, w.group())
	w.answer(t)
	if g := w.group(); g.stored {
		if err := w.log.verifyGroup(g); err != nil {
			return err
		}
	}
	return w.working()
}

func (w *world) refuse() error {
	d := w.open.decision
	w.open = nil
	return w.c.Dropped(d)
}

// failover loses what has arrived. What became of the open turn is for the log to say.
func (w *world) failover(landed bool) error {
	if w.open != nil && landed {
		if err := w.land(); err != nil {
			return err
		}
	}
	state := dump(w.c)
	c, err := replay(w.log.latest())
	if err != nil {
		return err
	}
	if got := dump(c); w.open == nil && got != state {
		return fmt.Errorf("a failover leads to\n%s\ninstead of\n%s", got, state)
	}
	w.c, w.open, w.queue = c, nil, nil
	if err := w.c.Restarted(w.now, w.log.end()); err != nil {
		return err
	}
	w.judge.restarted(w.now, w.group())
	return w.working()
}

func (w *world) working() error {
	if err := w.judge.working(w.group(), w.processes); err != nil {
		return fmt.Errorf("%w\n%s", err, dump(w.c))
	}
	return nil
}

// hear gives an answer to its process, if that still waits for it.
func (w *world) hear(i int) error {
	a := w.replies[i]
	w.replies = slices.Delete(w.replies, i, i+1)
	p := a.from
	if p == nil || !p.awake() || p.id != a.member {
		return nil
	}
	switch r := a.request.(type) {
	case Join, Heartbeat:
		if a.number == p.request && a.number > p.answered {
			p.answered = a.number
			p.told(a.reply)
		}
	case CommitOffsets:
		if a.reply.Err != nil {
			p.refused(a.reply.Err)
			break
		}
		for j, err := range a.reply.Commits {
			if work := p.running[r.Offsets[j].Partition]; err != nil && work != nil && work.epoch == r.Offsets[j].Epoch && errors.Is(err, ErrFencedMember) {
				work.stopping = true
			}
		}
	}
	if p.ended && !w.rivals(p, a.member) {
		return fmt.Errorf("%v was told to end, as instance %q, which nobody else was: %w", a.member, p.instance, a.reply.Err)
	}
	return nil
}

// rivals says whether the name of a member was ever asked for under another id: by another process, or by the same one before or after it expired.
func (w *world) rivals(p *process, id uuid.UUID) bool {
	return slices.ContainsFunc(w.sent, func(m message) bool {
		j, ok := m.request.(Join)
		return ok && j.Instance == p.instance && j.Member != id
	})
}

// flow lets everything that is under way come to its end.
func (w *world) flow() error {
	for len(w.requests)+len(w.queue)+len(w.replies) > 0 || w.open != nil {
		for len(w.requests) > 0 {
			w.arrive(0, false)
		}
		if w.open == nil {
			if err := w.turn(); err != nil {
				return err
			}
		}
		if w.open != nil {
			if err := w.store(); err != nil {
				return err
			}
		}
		for len(w.replies) > 0 {
			if err := w.hear(0); err != nil {
				return err
			}
		}
	}
	return w.working()
}

// round is a second in which nothing goes wrong.
func (w *world) round() error {
	w.now = w.now.Add(time.Second)
	for _, p := range w.processes {
		if !p.awake() {
			continue
		}
		for _, at := range p.stopping() {
			p.finish(at)
		}
		w.send(p, p.beat())
		for _, at := range p.working() {
			w.send(p, p.commit(at, 1))
		}
	}
	w.queue = append(w.queue, w.requests...)
	w.requests = nil
	if w.open == nil {
		if err := w.turn(); err != nil {
			return err
		}
	}
	return w.flow()
}

// heal ends all faults, but for copies of what was sent, which come in the first seconds. Before long every partition that somebody wants is worked on
// by one process, evenly, and nothing moves any more.
func (w *world) heal(copies []int) error {
	for _, p := range w.processes {
		p.paused = false
	}
	if err := w.flow(); err != nil {
		return err
	}
	unsettled := errors.New("not tried")
	for seconds := 0; unsettled != nil; seconds++ {
		if seconds > 40 {
			return fmt.Errorf("after %d seconds: %w\n%s", seconds, unsettled, dump(w.c))
		}
		if len(copies) > 0 {
			if n := len(w.sent); n > 0 {
				w.late(copies[0] % n)
			}
			copies = copies[1:]
		}
		if err := w.round(); err != nil {
			return err
		}
		if len(copies) > 0 {
			continue
		}
		unsettled = w.settled()
	}
	end, epoch := w.log.end(), w.group().epoch
	for range 3 {
		if err := w.round(); err != nil {
			return err
		}
	}
	if w.group().epoch != epoch {
		return fmt.Errorf("the group goes on from epoch %d to %d", epoch, w.group().epoch)
	}
	if working := len(w.busy()); working == 0 != (end == w.log.end()) {
		return fmt.Errorf("the log grew from %d to %d while %d partitions were worked on", end, w.log.end(), working)
	}
	return w.log.verify(w.c)
}

func (w *world) busy() map[Partition]*process {
	working := map[Partition]*process{}
	for _, p := range w.processes {
		for at := range p.running {
			if !p.ended {
				working[at] = p
			}
		}
	}
	return working
}

func (w *world) settled() error {
	g, working := w.group(), w.busy()
	wanted := map[Partition]bool{}
	loads := map[string][]int{}
	living := 0
	for _, p := range w.processes {
		if p.ended {
			continue
		}
		living++
		m := g.members[p.id]
		if m == nil {
			return fmt.Errorf("%v is no member", p)
		}
		if wants := p.wants(); !slices.Equal(m.topics, wants) {
			return fmt.Errorf("%v subscribes to %v, it wants %v", p, m.topics, wants)
		}
		for _, t := range p.topics {
			for i := range t.Partitions {
				wanted[Partition{t.ID, int32(i)}] = true
			}
		}
		key := fmt.Sprint(p.topics)
		loads[key] = append(loads[key], len(p.running))
	}
	if len(g.members) != living {
		return fmt.Errorf("%d processes, %d members", living, len(g.members))
	}
	if len(working) != len(wanted) {
		return fmt.Errorf("of %d partitions %d are worked on: %v", len(wanted), len(working), slices.SortedFunc(maps.Keys(working), Partition.compare))
	}
	for key, of := range loads {
		if slices.Max(of)-slices.Min(of) > 1 {
			return fmt.Errorf("those that subscribe to %s have %v partitions", key, of)
		}
	}
	if len(g.members) > 0 {
		if d, err := w.c.Describe("g"); err != nil || d.State != Stable {
			return fmt.Errorf("%+v, %w", d, err)
		}
	}
	return nil
}
