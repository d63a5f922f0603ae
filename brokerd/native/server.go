package native

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
	"golang.org/x/sync/semaphore"
)

// Shard is what a session serves.
type Shard interface {
	Append(session, producer uint64, epoch uint32, appends []wire.Append, bytes int, done func([]wire.AppendResult))
	Produce(session, producer uint64, batches []wire.ProduceBatch, bytes int, done func([]wire.ProduceResult))
	DeleteBefore(ctx context.Context, req wire.DeleteBeforeRequest) wire.DeleteBeforeResponse
	Frames(ctx context.Context, req wire.FramesRequest) wire.FramesResponse
	// Reads ask room for the bytes that they are about to take.
	Get(ctx context.Context, req wire.GetRequest, room func(context.Context, int) error) wire.GetResponse
	// Fetch may read into the memory that scratch points to, and may replace it.
	Fetch(ctx context.Context, req wire.FetchRequest, room func(context.Context, int) error, scratch *[]byte) wire.FetchResponse
	Stream(ctx context.Context, req wire.StreamRequest, room func(context.Context, int) error) wire.StreamResponse
}

// Groups answers what members and operators ask of consumer groups.
type Groups interface {
	Group(ctx context.Context, req wire.GroupRequest) wire.GroupResponse
}

// Catalogue answers what clients ask about topics. Errors become answers by Code.
type Catalogue interface {
	Create(ctx context.Context, spec wire.TopicSpec) (wire.TopicInfo, error)
	// Describe answers for the topic of a name. id is the incarnation that the client knows; if that is another one, the answer must not be out of date.
	Describe(ctx context.Context, name string, id uuid.UUID) (wire.TopicInfo, error)
	Nodes(ctx context.Context) []wire.NodeInfo
	List(ctx context.Context) ([]wire.TopicInfo, error)
	Alter(ctx context.Context, id uuid.UUID, change wire.TopicChange) (wire.TopicInfo, error)
	Delete(ctx context.Context, id uuid.UUID) error
	Code(err error) wire.Code
}

// Config names a server's connections; it owns those that it opens by Connect. They are separate so that appends do not wait behind the bytes of reads.
type Config struct {
	Connect      func(options ...nats.Option) (*nats.Conn, error) // appends of one session arrive, see line
	Replies      *nats.Conn                                       // appends are answered
	Reads        *nats.Conn                                       // reads and catalogue requests arrive and are answered
	ReadsMax     int                                              // reads under way at once, default 4096; most of them wait for records to come
	ReadBytesMax int                                              // bytes that reads under way may take together, default 128 MiB; beyond it they wait

	// Unread measures the bytes of answers that clients have not read yet; nil: they are not bounded. Beyond UnreadBytesMax, default 256 MiB, answers to
	// reads wait.
	Unread         func(now time.Time) int64
	UnreadBytesMax int

	Logger *slog.Logger
}

// Server serves the sessions of a node's shards.
type Server struct {
	cfg   Config
	ctx   context.Context //nolint:containedctx // the lifetime of the reads that Close ends
	stop  context.CancelFunc
	room  *semaphore.Weighted // bytes of reads
	turns turns
	sent  unread
	reads chan struct{} // a token for each read under way
	rare  chan struct{} // the same for catalogue requests, so that reads never shut them out
	idle  chan func()   // hands requests to the goroutines that have none
	group sync.WaitGroup
	used  sync.Pool // of *memory

	roomMax int64

	mu       sync.Mutex
	sessions map[uint64]*line
	admin    []*nats.Subscription
	changes  []*nats.Subscription
	closed   bool
}

// Session is one session of a shard's sequencer.
type Session struct {
	Topic  uuid.UUID
	Shard  int
	ID     uint64
	Epoch  uint64
	Target Shard
	Groups Groups // of a shard of the groups topic, else nil
}

// ErrClosed is the answer of a server that was closed.
var ErrClosed = errors.New("native: server is closed")

// subscribeTimeout bounds the time that an in-process subscription takes.
const subscribeTimeout = 5 * time.Second

// NewServer makes a server that serves nothing yet. Its reads end with ctx.
func NewServer(ctx context.Context, cfg Config) *Server {
	if cfg.ReadsMax == 0 {
		cfg.ReadsMax = 4096
	}
	if cfg.ReadBytesMax == 0 {
		cfg.ReadBytesMax = 128 << 20
	}
	if cfg.UnreadBytesMax == 0 {
		cfg.UnreadBytesMax = 256 << 20
	}
	s := &Server{
		cfg: cfg, sent: unread{measure: cfg.Unread, bytesMax: int64(cfg.UnreadBytesMax)}, roomMax: int64(max(cfg.ReadBytesMax, readBytesMin)),
		reads: make(chan struct{}, cfg.ReadsMax), rare: make(chan struct{}, catalogueMax), idle: make(chan func()),
		turns: turns{clients: map[string]*clientTurns{}}, sessions: map[uint64]*line{},
	}
	s.room = semaphore.NewWeighted(s.roomMax)
	s.ctx, s.stop = context.WithCancel(ctx)
	return s
}

// nodesQueue has one node of a cluster answer for one that does not serve yet.
const nodesQueue = "nodes"

// Serve begins to answer questions about topics, which any node of a cluster can.
func (s *Server) Serve(c Catalogue) error {
	for subject, handle := range map[string]handler{wire.SubjectTopicDescribe: describe, wire.SubjectTopicList: list, wire.SubjectCluster: nodes} {
		answer := s.catalogue(c, handle)
		own, err1 := s.cfg.Reads.Subscribe(wire.NodeSubject(subject, s.cfg.Reads.ConnectedServerId()), answer)
		shared, err2 := s.cfg.Reads.QueueSubscribe(subject, nodesQueue, answer)
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("subscribing to %s: %w", subject, err)
		}
		s.mu.Lock()
		s.admin = append(s.admin, own, shared)
		s.mu.Unlock()
	}
	return s.cfg.Reads.FlushTimeout(subscribeTimeout)
}

// ServeChanges begins to take changes of topics: they go to the node that leads the catalogue.
func (s *Server) ServeChanges(c Catalogue) error {
	var subs []*nats.Subscription
	for subject, handle := range map[string]handler{wire.SubjectTopicCreate: create, wire.SubjectTopicAlter: alter, wire.SubjectTopicDelete: remove} {
		sub, err := s.cfg.Reads.Subscribe(subject, s.catalogue(c, handle))
		if err != nil {
			return errors.Join(fmt.Errorf("subscribing to %s: %w", subject, err), unsubscribe(subs))
		}
		subs = append(subs, sub)
	}
	s.mu.Lock()
	old := s.changes
	if s.changes = subs; s.closed {
		old, s.changes = append(old, subs...), nil
	}
	s.mu.Unlock()
	return errors.Join(unsubscribe(old), s.cfg.Reads.FlushTimeout(subscribeTimeout))
}

// StopChanges ends what ServeChanges began. Changes that have arrived are still answered.
func (s *Server) StopChanges() error {
	s.mu.Lock()
	subs := s.changes
	s.changes = nil
	s.mu.Unlock()
	return unsubscribe(subs)
}

// Open makes a session reachable.
func (s *Server) Open(session Session) error {
	l := &line{server: s, session: session}
	verbs := map[string]reader{
		wire.VerbDeleteBefore: s.deleteBefore(session),
		wire.VerbGet:          s.get(session),
		wire.VerbFetch:        s.fetch(session),
		wire.VerbStream:       s.stream(session),
		wire.VerbFrames:       s.frames(session),
	}
	if session.Groups != nil {
		verbs[wire.VerbGroup] = s.groups(session)
	}
	for verb, handle := range verbs {
		sub, err := s.cfg.Reads.Subscribe(l.subject(verb), s.read(handle))
		if err != nil {
			return errors.Join(fmt.Errorf("subscribing to %s: %w", l.subject(verb), err), unsubscribe(l.reads))
		}
		l.reads = append(l.reads, sub)
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.Join(ErrClosed, unsubscribe(l.reads))
	}
	s.sessions[session.ID] = l
	s.mu.Unlock()
	if err := l.open(); err != nil {
		s.CloseSession(session.ID)
		return err
	}
	return nil
}

// CloseSession makes a session unreachable. What has arrived is still handed to its shard, which refuses it: a request that was dropped would leave
// its client waiting.
func (s *Server) CloseSession(id uint64) {
	s.mu.Lock()
	l := s.sessions[id]
	delete(s.sessions, id)
	s.mu.Unlock()
	if l == nil {
		return
	}
	errs := []error{l.drain()}
	for _, sub := range l.reads {
		errs = append(errs, sub.Drain())
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			s.cfg.Logger.Warn("closing a session's subjects", "error", err)
		}
	}
}

func unsubscribe(subs []*nats.Subscription) error {
	var errs []error
	for _, sub := range subs {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrBadSubscription) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Close answers nothing more and waits for the reads that are under way.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	subs, lines := append(s.admin, s.changes...), s.sessions
	s.admin, s.changes, s.sessions = nil, nil, map[uint64]*line{}
	s.mu.Unlock()
	for _, l := range lines {
		subs = append(subs, l.reads...)
		l.close()
	}
	err := unsubscribe(subs)
	s.stop()
	s.group.Wait()
	return err
}

// catalogueMax bounds the catalogue requests under way at once.
const catalogueMax = 64

// start runs a request in a goroutine of its own, and says false when there is no token left for it or the server is closed.
func (s *Server) start(tokens chan struct{}, fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	select {
	case tokens <- struct{}{}:
	default:
		return false
	}
	run := func() {
		defer func() { <-tokens }()
		fn()
	}
	select {
	case s.idle <- run:
	default:
		s.group.Go(func() { s.work(run) })
	}
	return true
}

// idleMax is how long a goroutine waits for another request.
const idleMax = time.Second

// work carries out a request, and then those that come while it waits for more: a new goroutine for each would spend much of its time on growing its stack.
func (s *Server) work(run func()) {
	idle := time.NewTimer(idleMax)
	defer idle.Stop()
	for {
		run()
		idle.Reset(idleMax)
		select {
		case run = <-s.idle:
		case <-idle.C:
			return
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Server) respond(conn *nats.Conn, msg *nats.Msg, data []byte) {
	if msg.Reply == "" {
		return // acks=0, or a request that can have no answer
	}
	if err := conn.Publish(msg.Reply, data); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.cfg.Logger.Warn("a request could not be answered", "subject", msg.Subject, "bytes", len(data), "error", err)
	}
}
