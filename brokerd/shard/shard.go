package shard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// Config says what a shard is and where it keeps its caches. Log, Dir, LogID and Layout are required.
type Config struct {
	Log    Log
	Dir    string // segments, index and mark; a cache, but for the mark
	LogID  uuid.UUID
	Layout Layout

	Kind         string           // of the topic, default versioned
	Retention    *RetentionPolicy // of a plain topic; nil: it keeps everything
	ProducerTime bool             // batches keep the record times that their producers set
	Replicated   bool             // other nodes have copies of the log, and may lead it

	Logger *slog.Logger // default: discards
	Clock  func() time.Time

	Admission *Admission   // whether appends are taken; nil: always
	Short     func() error // why there are too few copies to take appends, nil while there are enough; it does not block

	// Opened is called when a session begins to serve and Closed when it ends, both from the sequencer's goroutine and in turn.
	// Requests addressed to a session may be handed in between the two only.
	// An error of Opened ends the session.
	Opened func(s *Shard, session, epoch uint64) error
	Closed func(session uint64)

	Window            int           // frames in flight, default 1
	DivergedAfter     time.Duration // a replicated log that is said to end before what was acknowledged has lost it when that stays so for this long, default 30 s
	FrameBytesMax     int           // default 256 KiB; 2 MiB in plain and table topics
	QueueBytesMax     int           // appends waiting for the sequencer, default 64 MiB
	LagBytesMax       int           // committed frames waiting for segments and index, with what they take beside their batches, default 64 MiB
	HeadsMax          int           // streams whose version is held in RAM, default 4 Mi
	TailMax           int           // entries after which the tail is written to the index, default 256 Ki
	TailBytesMax      int           // the same in bytes, default 128 MiB
	SegmentBytesMax   int64         // default 128 MiB
	RunBytesMax       int           // batches after which the index is brought up to date, default 256 MiB
	RetentionPolling  time.Duration // how often it is looked whether records are to go, default 10 s
	PublishTimeout    time.Duration // a frame without an answer is a failure, default 3 s
	FenceBackoffMax   time.Duration // between failed fences, default 1 s
	LeadershipPolling time.Duration // default 100 ms
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Opened == nil {
		c.Opened = func(*Shard, uint64, uint64) error { return nil }
	}
	if c.Closed == nil {
		c.Closed = func(uint64) {}
	}
	orDefault(&c.Window, 1)
	orDefault(&c.DivergedAfter, 30*time.Second)
	orDefault(&c.QueueBytesMax, 64<<20)
	orDefault(&c.LagBytesMax, 64<<20)
	orDefault(&c.HeadsMax, 4<<20)
	orDefault(&c.TailMax, 256<<10)
	orDefault(&c.TailBytesMax, 128<<20)
	orDefault(&c.SegmentBytesMax, 128<<20)
	orDefault(&c.RunBytesMax, 256<<20)
	orDefault(&c.RetentionPolling, 10*time.Second)
	orDefault(&c.Kind, wire.KindVersioned)
	if c.Kind == wire.KindVersioned {
		orDefault(&c.FrameBytesMax, 256<<10)
	}
	orDefault(&c.FrameBytesMax, batchFrameBytesMax)
	orDefault(&c.PublishTimeout, 3*time.Second)
	orDefault(&c.FenceBackoffMax, time.Second)
	orDefault(&c.LeadershipPolling, 100*time.Millisecond)
	return c
}

// batchFrameBytesMax lets several batches of producers share a sync: one of them alone may have 512 KiB.
const batchFrameBytesMax = 2 << 20

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Shard runs a sequencer: one goroutine around a [Core], and the store that holds what is committed.
type Shard struct {
	cfg   Config
	store *store
	core  *Core // of the sequencer's goroutine
	wake  chan struct{}
	done  chan struct{} // closed when the sequencer's goroutine has ended
	ended chan struct{} // closed when it has stopped by itself
	stop  context.CancelFunc

	handOvers  chan handOver
	background sync.WaitGroup
	retention  *retention // nil in a versioned topic

	// Of the sequencer's goroutine.
	session   Session // nil while there is none
	sessionID uint64
	open      bool      // Opened was called for the session, Closed not yet
	progress  time.Time // when the engine last stored a frame, or had none to store
	anchored  bool      // the log was compared with the index's watermark
	tooShort  observed  // that the log is said to end before what was acknowledged
	draining  bool      // no session opens any more

	mu     sync.Mutex
	inbox  inbox
	queued int    // bytes of appends handed in and not answered
	closed bool   // nothing is taken any more
	status Status // as of the last turn of the sequencer
}

// inbox is what other goroutines hand to the sequencer.
type inbox struct {
	appends []*Append
	acks    []sessionAck
}

type sessionAck struct {
	session uint64
	Ack
}

// Status is where a shard stands.
type Status struct {
	Phase   Phase
	Cause   error // why it stopped
	Epoch   uint64
	Session uint64
	Next    []int64 // high watermark by slot
	Starts  []int64 // first offset kept, by slot
	Time    int64   // newest record time, ms since 1970
	Stats   Stats
}

// Open reads what the caches hold, follows the log to its end and begins to serve. It returns once the first session serves or, where another node
// leads the log, when this node's copy of it was read; or with the reason why the shard can never serve: then the error is an ErrCorrupt or an ErrDiverged and the shard answers with it until it is closed.
// An ErrCache is the reason to close it and to open another one.
func Open(ctx context.Context, cfg Config) (*Shard, error) {
	cfg = cfg.withDefaults()
	st, state, err := openStore(storeConfig{
		dir: cfg.Dir, logID: cfg.LogID, layout: cfg.Layout, headsMax: cfg.HeadsMax, tailMax: cfg.TailMax, tailBytesMax: cfg.TailBytesMax,
		lagBytesMax: cfg.LagBytesMax, segmentBytes: cfg.SegmentBytesMax, kind: cfg.Kind, runBytesMax: cfg.RunBytesMax, logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	s := &Shard{cfg: cfg, store: st, wake: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}), handOvers: make(chan handOver)}
	st.failed = s.nudge
	go st.write()
	s.core = NewCore(CoreConfig{
		Layout: cfg.Layout, Kind: cfg.Kind, ProducerTime: cfg.ProducerTime, LogID: cfg.LogID, Window: cfg.Window, FrameBytesMax: cfg.FrameBytesMax,
	}, state, st.producers, st)
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	ready := make(chan error, 1)
	go s.run(run, ready)
	if cfg.Kind != wire.KindVersioned {
		s.retention = newRetention(s)
		s.background.Go(func() { s.retention.run(run) })
	}
	select {
	case err := <-ready:
		return s, err
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.Close(context.WithoutCancel(ctx)))
	}
}

// Append hands in independent appends. done is called once, with one result for each, from the sequencer's goroutine: it must not block.
// session is the one that they were addressed to, 0 for any: in another one they are refused. bytes is their encoded size; beyond the
// queue's bound they are refused at once.
func (s *Shard) Append(session, producer uint64, epoch uint32, appends []wire.Append, bytes int, done func([]wire.AppendResult)) {
	batch := make([]Append, len(appends))
	for i := range appends {
		batch[i] = Append{Append: appends[i], Producer: producer, ProducerEpoch: epoch, Session: session}
	}
	s.enqueue(batch, bytes, done)
}

// enqueue hands appends to the sequencer, or refuses them all.
func (s *Shard) enqueue(batch []Append, bytes int, done func([]wire.AppendResult)) {
	req := &request{results: make([]wire.AppendResult, len(batch)), left: len(batch), bytes: bytes, done: done}
	s.mu.Lock()
	refusal := wire.AppendResult{}
	switch {
	case s.closed:
		refusal = wire.AppendResult{Code: wire.NotLeader, Detail: ErrClosed.Error()}
	case s.queued > 0 && s.queued+bytes > s.cfg.QueueBytesMax:
		refusal = wire.AppendResult{Code: wire.Overloaded, Detail: fmt.Sprintf("the sequencer's queue of %d bytes is full", s.cfg.QueueBytesMax)}
	}
	if refusal.Code != wire.OK {
		s.mu.Unlock()
		for i := range req.results {
			req.results[i] = refusal
		}
		done(req.results)
		return
	}
	s.queued += bytes
	for i := range batch {
		batch[i].Tag, batch[i].Index = req, i
		s.inbox.appends = append(s.inbox.appends, &batch[i])
	}
	s.mu.Unlock()
	s.nudge()
}

// request is what one call of Append waits for.
type request struct {
	results []wire.AppendResult
	left    int
	bytes   int
	done    func([]wire.AppendResult)
}

// confirm waits for a commit that began after the call.
func (s *Shard) confirm(ctx context.Context) wire.AppendResult { return s.wait(ctx, Append{}) }

// wait hands in one append of this node and waits for its answer.
func (s *Shard) wait(ctx context.Context, a Append) wire.AppendResult {
	answer := make(chan wire.AppendResult, 1)
	s.enqueue([]Append{a}, 0, func(r []wire.AppendResult) { answer <- r[0] })
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return wire.AppendResult{Code: wire.NotLeader, Detail: "the shard is closing"}
	}
}

// Stopped is closed when the shard has stopped by itself, for the cause in its status.
func (s *Shard) Stopped() <-chan struct{} { return s.ended }

// Status is where the shard stands.
func (s *Shard) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// refusal says why reads are refused, or OK.
func (s *Shard) refusal(minEpoch uint64) (wire.Code, string) {
	st := s.Status()
	switch {
	case st.Phase == Stopped:
		return codeOf(st.Cause), st.Cause.Error()
	case st.Epoch < minEpoch:
		return wire.Stale, fmt.Sprintf("this node is at epoch %d", st.Epoch)
	}
	return wire.OK, ""
}

func (s *Shard) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Shard) ack(session uint64, a Ack) {
	s.mu.Lock()
	s.inbox.acks = append(s.inbox.acks, sessionAck{session, a})
	s.mu.Unlock()
	s.nudge()
}

// Close lets the window finish for at most the publish timeout, writes the caches and ends the shard. It may be called more than once.
func (s *Shard) Close(ctx context.Context) error {
	s.stop()
	s.background.Wait()
	select {
	case <-s.done:
	case <-ctx.Done():
		return fmt.Errorf("closing a shard: %w", ctx.Err())
	}
	return s.store.closeOnce()
}
