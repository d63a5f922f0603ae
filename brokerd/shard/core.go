package shard

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/brokerd/index"
	"github.com/strandlog/strand/internal/wire"
)

// Phase is where a sequencer stands between following the log of another and serving its own session.
type Phase uint8

// The phases. Stopped is final: the log is corrupt, or what is built on it failed.
const (
	Follow  Phase = iota // applies the log, answers nothing
	Fencing              // reads the log to its end, then proves by a barrier that it is the whole log
	Serving
	Stopped
)

func (p Phase) String() string {
	return [...]string{"follow", "fencing", "serving", "stopped"}[p]
}

// Append is one append on its way through the sequencer: writes of a versioned topic, a record batch of any other, or a snapshot.
// An append of nothing asks for a proof: it is answered OK after a commit whose publish began after it arrived.
type Append struct {
	wire.Append
	Batch         *Batch  // instead of Writes
	Starts        []int64 // instead of Writes: a snapshot is written, with starts that are moved forward to these, by slot
	Producer      uint64
	ProducerEpoch uint32
	Tag           any // the submitter's own, untouched; so is Index
	Index         int
	Session       uint64 // that the append was addressed to; 0: any

	hash  uint64
	bytes int
}

// Reply answers an append.
type Reply struct {
	Append *Append
	Result wire.AppendResult
}

// Publish is a frame to send to the engine, expecting Seq-1 as its last sequence, under a session's own inbox.
type Publish struct {
	Session uint64
	Seq     uint64
	Data    []byte
}

// Head is a stream's version after a frame.
type Head struct {
	Partition int32
	Stream    string
	Version   int64
}

// Committed is a valid frame that the log holds, with what it changed.
type Committed struct {
	Frame Frame
	Heads []Head // the newest version of each stream that it touched, at least once
	State State  // after the frame; shares nothing
}

// Written is where the events of a command were stored.
type Written struct {
	FirstVersion int64
	FirstOffset  int64
	Count        int
	Timestamp    int64
}

// StoredEvent is the identity of one stored event.
type StoredEvent struct {
	ID        uuid.UUID
	Offset    int64
	Timestamp int64
}

// Materializer holds what the committed log amounts to on this node. Core calls it from one goroutine; what Apply was given
// must be visible to the lookups at once. An error is final: the shard stops.
type Materializer interface {
	Apply(c Committed) error
	// Begin forgets everything: the log was cut, and begins at this state.
	Begin(s State) error
	// Head is the version of a stream, 0 when it holds no event.
	// In a table topic it is the newest offset of a key plus 1.
	Head(partition int32, stream []byte) (int64, error)
	// Events are up to n events of a stream from a version on.
	Events(partition int32, stream []byte, from int64, n int) ([]StoredEvent, error)
	// Command finds the events that a stream holds under a command id.
	Command(partition int32, stream, id []byte) (Written, bool, error)
	// Match finds an event that a condition rules out, which names types or tags. An index.ErrBroad is not final: it refuses the append alone.
	Match(cond *wire.Condition, spent *index.Steps) (offset int64, found bool, err error)
}

// CoreConfig sets a sequencer's bounds.
type CoreConfig struct {
	Layout        Layout
	Kind          string // of the topic, default versioned
	ProducerTime  bool   // batches keep the record times that their producers set
	LogID         uuid.UUID
	Window        int // frames in flight, default 1
	FrameBytesMax int // a frame is closed when it has reached this, default 256 KiB; one append is never split

	SnapshotBytesMax int // what a snapshot may say of producers, default 4 MiB, so that it fits in an engine message
}

// Core is the sequencer's protocol as a pure state machine: no I/O, no clock, no goroutine. Its inputs are methods; what is to be
// done because of them collects in its output, which the caller takes with [Core.Take] and carries out.
//
// Not safe for concurrent use.
type Core struct {
	cfg       CoreConfig
	mat       Materializer
	phase     Phase
	cause     error // why it stopped
	session   uint64
	state     State // what the log holds
	spec      State // the same, as if every frame of the window were acknowledged
	producers *producers

	queue      []*Append // admitted, not yet in a frame; arrival order
	window     []*flight // published, not yet acknowledged; publish order
	unresolved []*flight // published in earlier sessions, fate not yet known
	overlay    overlay

	frames  frameBuilder
	publish []Publish
	replies []Reply

	stats Stats
}

// Stats counts what a core did since it was made: frames and events are those that it applied, whoever wrote them.
type Stats struct {
	Frames, Void, Barriers, Appends, Events uint64
}

// flight is a published frame that waits for its acknowledgement.
type flight struct {
	frame   Frame
	heads   []Head
	writes  []producerWrite
	replies []Reply // released when the frame is applied
	found   bool    // in the log, after its fate was unknown; told once the barrier proves that what was read is on disk
}

type producerWrite struct {
	producer uint64
	stored   stored
}

// NewCore starts in Follow, at a state from which the log goes on.
func NewCore(cfg CoreConfig, state State, p *producers, mat Materializer) *Core {
	if cfg.Window == 0 {
		cfg.Window = 1
	}
	if cfg.FrameBytesMax == 0 {
		cfg.FrameBytesMax = 256 << 10
	}
	if cfg.SnapshotBytesMax == 0 {
		cfg.SnapshotBytesMax = 4 << 20
	}
	if cfg.Kind == "" {
		cfg.Kind = wire.KindVersioned
	}
	state.layout = cfg.Layout
	return &Core{cfg: cfg, mat: mat, state: state, producers: p, overlay: newOverlay()}
}

// Phase is where the sequencer stands.
func (c *Core) Phase() Phase { return c.phase }

// Cause is why the sequencer stopped.
func (c *Core) Cause() error { return c.cause }

// State is what the log holds as far as it was applied. It must not be changed.
func (c *Core) State() *State { return &c.state }

// InFlight is the number of published frames without an acknowledgement.
func (c *Core) InFlight() int { return len(c.window) }

// Queued is the number of appends that wait for a frame.
func (c *Core) Queued() int { return len(c.queue) }

// Take returns what is to be done, in this order: send the replies, then publish. The slices are valid until the next input.
func (c *Core) Take() ([]Reply, []Publish) {
	r, p := c.replies, c.publish
	c.replies, c.publish = c.replies[len(c.replies):], c.publish[len(c.publish):]
	return r, p
}

// Committed applies the next message of the log, as read from the engine. Only for Follow and Fencing: while it serves,
// a sequencer learns of its own frames by their acknowledgements.
func (c *Core) Committed(seq uint64, data []byte) error {
	if c.phase != Follow && c.phase != Fencing || len(c.window) > 0 {
		return fmt.Errorf("a message was read from the log in phase %s", c.phase)
	}
	frame, valid, err := c.state.Apply(seq, data)
	if err != nil {
		return c.stop(err)
	}
	if !valid {
		if c.state.begins(&frame) {
			return c.Begin(seq, data)
		}
		c.stats.Void++
		return nil
	}
	heads, writes, err := scan(c.cfg.Kind, &frame)
	if err != nil {
		return c.stop(&CorruptError{Seq: seq, Reason: err})
	}
	if err := c.apply(&frame, heads, writes); err != nil {
		return err
	}
	for _, f := range c.unresolved {
		f.found = f.found || f.frame.Sum == frame.Sum && f.frame.Seq == frame.Seq
	}
	return nil
}

// Begin starts over at the first message of a log that was cut in front.
func (c *Core) Begin(seq uint64, data []byte) error {
	if c.phase != Follow && c.phase != Fencing || len(c.window) > 0 {
		return fmt.Errorf("the log was begun anew in phase %s", c.phase)
	}
	_, snap, err := c.state.Begin(seq, data)
	if err == nil {
		if err = c.producers.restore(snap.Producers, snap.Forgotten); err != nil {
			err = &CorruptError{Seq: seq, Reason: err}
		}
	}
	if err == nil {
		err = c.mat.Begin(c.state.Clone())
	}
	if err != nil {
		return c.stop(err)
	}
	return nil
}

// Fence publishes a barrier under a new session. The caller has handed in every message up to the last one that the engine reported.
func (c *Core) Fence(session uint64, now time.Time) {
	if c.phase == Stopped || len(c.window) > 0 {
		return
	}
	c.phase, c.session = Fencing, session
	c.spec = c.state.Clone()
	f := &flight{frame: Frame{
		Kind: KindBarrier, LogID: c.cfg.LogID, Epoch: c.state.Epoch + 1, Session: session,
		Seq: c.state.Seq + 1, Prev: c.state.Sum, Time: max(c.state.Time, now.UnixMilli()),
	}}
	c.send(f)
}

// Submit admits an append. While the sequencer does not serve it is refused at once.
func (c *Core) Submit(a *Append) {
	if c.phase != Serving {
		c.reply(a, c.refusal())
		return
	}
	if a.Session != 0 && a.Session != c.session {
		c.reply(a, wire.AppendResult{Code: wire.NotLeader, Detail: "the append was addressed to an earlier session"})
		return
	}
	if r, ok := c.check(a); !ok {
		c.reply(a, r)
		return
	}
	c.queue = append(c.queue, a)
}

// refusal is the definite answer of a sequencer that does not serve.
func (c *Core) refusal() wire.AppendResult {
	if c.phase == Stopped {
		return wire.AppendResult{Code: codeOf(c.cause), Detail: c.cause.Error()}
	}
	return wire.AppendResult{Code: wire.NotLeader, Detail: "the sequencer is not serving: " + c.phase.String()}
}

// Pump builds frames from what is queued while the window has room.
func (c *Core) Pump(now time.Time) error {
	if c.phase == Serving && c.producers.forgottenIn() >= c.state.Epoch {
		// Nobody can tell any more of a new producer that it is one. In the next session all is new that was not sent before it.
		if len(c.window) == 0 {
			c.Failed(c.session)
		}
		return nil
	}
	for c.phase == Serving && len(c.queue) > 0 && len(c.window) < c.cfg.Window {
		if c.queue[0].Starts != nil {
			if len(c.window) > 0 {
				return nil // a snapshot is of what is committed
			}
			c.snapshot(now)
			continue
		}
		if err := c.build(now); err != nil {
			return err
		}
	}
	return nil
}

// Acked takes a positive acknowledgement: the engine stored the frame that was meant for intended at seq.
// It must be for the oldest frame in flight and at its intended place; anything else is a failure.
func (c *Core) Acked(session, intended, seq uint64) error {
	if c.phase == Stopped || session != c.session || len(c.window) == 0 {
		return nil // of an earlier session: its frames are resolved by reading the log
	}
	f := c.window[0]
	if f.frame.Seq != intended || seq != intended {
		c.Failed(session)
		return nil
	}
	c.window = append(c.window[:0], c.window[1:]...)
	if f.frame.Kind == KindBarrier {
		return c.opened(f)
	}
	c.state.advance(&f.frame)
	if err := c.apply(&f.frame, f.heads, f.writes); err != nil {
		c.answer(f, wire.AppendResult{Code: wire.Unknown, Detail: "stored, but the shard stopped: " + err.Error()})
		return err
	}
	c.overlay.settle(f.frame.Seq, len(c.window) == 0)
	c.release(f)
	return nil
}

// opened begins to serve: the barrier stands exactly where the log ended, so the prefix that was read is the whole log.
func (c *Core) opened(f *flight) error {
	c.state.advance(&f.frame)
	c.stats.Barriers++
	if err := c.mat.Apply(Committed{Frame: f.frame, State: c.state.Clone()}); err != nil {
		return c.stop(err)
	}
	for _, u := range c.unresolved {
		if u.found {
			c.release(u)
			continue
		}
		c.answer(u, wire.AppendResult{Code: wire.Retry, Detail: "the frame did not reach the log"})
	}
	c.unresolved = nil
	c.spec = c.state.Clone()
	c.phase = Serving
	return nil
}

// Failed takes any publish anomaly of a session: an error reply, a timeout, a lost connection. It does not mean that nothing was stored.
// The sequencer admits nothing more until it has read the log again and fenced.
func (c *Core) Failed(session uint64) {
	if c.phase == Stopped || c.phase == Follow || session != c.session {
		return
	}
	for _, f := range c.window {
		if f.frame.Kind != KindBarrier {
			c.unresolved = append(c.unresolved, f)
		}
	}
	c.window = nil
	c.overlay.clear()
	c.phase = Fencing
	c.refuseQueue()
}

// Deposed takes the loss of leadership. The fate of what was published is another's to decide.
func (c *Core) Deposed() {
	if c.phase == Stopped {
		return
	}
	c.Failed(c.session)
	for _, u := range c.unresolved {
		c.answer(u, wire.AppendResult{Code: wire.Unknown, Detail: "leadership was lost while the append was in flight"})
	}
	c.unresolved = nil
	c.phase = Follow
}

// Stop ends the sequencer for good. What is in flight is answered Unknown.
func (c *Core) Stop(cause error) { _ = c.stop(cause) }

func (c *Core) stop(cause error) error {
	if c.phase == Stopped {
		return c.cause
	}
	c.phase, c.cause = Stopped, cause
	for _, f := range append(c.window, c.unresolved...) {
		c.answer(f, wire.AppendResult{Code: wire.Unknown, Detail: "the shard stopped while the append was in flight: " + cause.Error()})
	}
	c.window, c.unresolved = nil, nil
	c.overlay.clear()
	c.refuseQueue()
	return cause
}

func (c *Core) refuseQueue() {
	r := wire.AppendResult{Code: wire.NotLeader, Detail: "the sequencer serves no more"}
	if c.phase != Serving {
		r = c.refusal()
	}
	for _, a := range c.queue {
		c.reply(a, r)
	}
	c.queue = nil
}

// apply hands a frame that the state has just moved over to what is built on the log.
func (c *Core) apply(f *Frame, heads []Head, writes []producerWrite) error {
	c.stats.Frames++
	for i := range f.Entries {
		c.stats.Events += uint64(f.Entries[i].Count)
	}
	for _, w := range writes {
		c.producers.add(w.producer, f.Epoch, w.stored)
	}
	if err := c.mat.Apply(Committed{Frame: *f, Heads: heads, State: c.state.Clone()}); err != nil {
		return c.stop(err)
	}
	return nil
}

// send publishes a frame and puts it into the window.
func (c *Core) send(f *flight) {
	data := f.frame.AppendTo(make([]byte, 0, c.frames.sizeOf(&f.frame)))
	c.spec.advance(&f.frame)
	// The batches of the frame as it was sent: what they were built in is used again.
	rest := data[frameHeaderSize+frameEntrySize*len(f.frame.Entries):]
	for i := range f.frame.Entries {
		n := len(f.frame.Entries[i].Batches)
		f.frame.Entries[i].Batches, rest = rest[:n:n], rest[n:]
	}
	c.window = append(c.window, f)
	c.publish = append(c.publish, Publish{Session: c.session, Seq: f.frame.Seq, Data: data})
}

func (c *Core) release(f *flight) { c.replies = append(c.replies, f.replies...) }

// answer gives every append that waited for a frame the same result. Those that only waited for a proof, or for a refusal to become
// final, were not in the frame: for them the outcome is definite.
func (c *Core) answer(f *flight, r wire.AppendResult) {
	for _, w := range f.replies {
		if w.Result.Code != wire.OK || len(w.Append.Writes) == 0 && w.Append.Batch == nil {
			c.reply(w.Append, wire.AppendResult{Code: wire.Retry, Detail: "not evaluated: what the answer rested on was not stored"})
			continue
		}
		c.reply(w.Append, r)
	}
}

func (c *Core) reply(a *Append, r wire.AppendResult) {
	c.replies = append(c.replies, Reply{Append: a, Result: r})
}
