package commitlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// MemberConfig says how a process is a member of a consumer group. The zero value works.
type MemberConfig struct {
	// Instance names the process among the members for ever, such as worker-3. One that comes back under its name within its session gets the partitions
	// that it had, without a rebalance. No two processes have the same. Default: none.
	Instance string
	// SessionTimeout is how long the group does without a sign of life before it gives the member's partitions to others. Default 6 s.
	SessionTimeout time.Duration
	// RebalanceTimeout is how long the work on a partition may take to end after its context did, before the group takes the partition away.
	// Default 30 s.
	RebalanceTimeout time.Duration
	// CommitInterval is how often progress is committed. It is always committed before a partition moves. Default 1 s.
	CommitInterval time.Duration
	// StopTimeout is how long work may take to end after the context of Share did. Then the member leaves its group, so that others go on with what it
	// had. Default 10 s.
	StopTimeout time.Duration
}

func (cfg MemberConfig) withDefaults() MemberConfig {
	cfg.CommitInterval = cmp.Or(cfg.CommitInterval, time.Second)
	cfg.StopTimeout = cmp.Or(cfg.StopTimeout, 10*time.Second)
	return cfg
}

func (cfg MemberConfig) check(group string) error {
	for name, d := range map[string]time.Duration{
		"a session timeout": cfg.SessionTimeout, "a rebalance timeout": cfg.RebalanceTimeout, "a commit interval": cfg.CommitInterval, "a stop timeout": cfg.StopTimeout,
	} {
		if d < 0 || d > 0 && d < time.Millisecond {
			return &GroupError{Group: group, Kind: ErrInvalid, Reason: fmt.Sprintf("%s of %v: choose at least 1 ms, or 0 for the default", name, d)}
		}
	}
	return nil
}

// Share makes this process a member of a consumer group, which shares the partitions of topics among its members, until ctx ends. The group is made if it
// is not there. work is called once for each partition that the member is given, in a goroutine of its own; when the partition is to move, or ctx
// ends, its context does, and the partition moves when it has returned. Two calls for one partition never overlap.
//
// Share returns nil when ctx has ended and all work with it, and otherwise what the first work returned that ended by itself, nil included: it stops
// the others, too. Its own errors are ErrInstanceTaken, ErrInvalid, ErrGroupLimit, ErrStopTimeout, ErrClosed and, when the group is out of reach from
// the start, ErrUnavailable; later it goes on until the group answers again.
//
// A member that was not heard for its session timeout has lost its partitions, and so has one whose work on a partition that is to move does not end within
// the rebalance timeout. It learns of it when it is heard again, and its work goes on until then: whatever that commits is refused. It joins the group anew
// when all its work has ended.
func (c *Client) Share(ctx context.Context, group string, topics []Topic, cfg MemberConfig, work func(ctx context.Context, a *Assignment) error) error {
	if err := cfg.check(group); err != nil {
		return err
	}
	m := &member{
		client: c, group: group, cfg: cfg.withDefaults(), topics: map[uuid.UUID]Topic{}, work: work,
		held: map[wire.GroupPartition]*Assignment{}, ended: make(chan *Assignment),
	}
	for _, t := range topics {
		if err := checkTopic(t); err != nil {
			return err
		}
		m.topics[t.ID] = t
	}
	return m.run(ctx)
}

// member is one process in a group. Everything belongs to the goroutine of run, but what Assignment says of itself.
type member struct {
	client *Client
	group  string
	cfg    MemberConfig
	topics map[uuid.UUID]Topic
	work   func(ctx context.Context, a *Assignment) error

	id    uuid.UUID // a new one for each membership
	share *wire.GroupShare
	begun map[wire.GroupPartition]uint64      // newest epoch under which work was begun in this membership
	held  map[wire.GroupPartition]*Assignment // on which work goes on
	ended chan *Assignment                    // whose work has returned

	joined bool // it was heard once
}

// run joins the group, again and again, as a new member whenever the group has lost the one before.
func (m *member) run(ctx context.Context) error {
	for {
		if err := m.attend(ctx); !errors.Is(err, errMembership) {
			return err
		}
		m.share = nil
		for _, a := range m.held {
			a.end()
		}
		for len(m.held) > 0 { // as a member it would be given partitions that it cannot begin
			select {
			case a := <-m.ended:
				_ = m.forget(a)
			case <-ctx.Done():
				return m.stop(ctx, nil)
			}
		}
	}
}

// attend is one membership. It ends with errMembership, while work may still go on, or when no work goes on any more.
func (m *member) attend(ctx context.Context) error {
	m.id, m.share, m.begun = uuid.New(), nil, map[wire.GroupPartition]uint64{}
	p := &pulse{member: m}
	defer func() { p.stop() }()
	if err := m.join(ctx); err != nil {
		return m.lost(ctx, p, err)
	}
	m.adopt(ctx)
	p.beat(ctx)
	commits := time.NewTicker(m.cfg.CommitInterval)
	defer commits.Stop()
	for {
		select {
		case <-ctx.Done():
			p.stop()
			return m.stop(ctx, nil)
		case a := <-m.ended:
			if !a.gone() {
				p.stop()
				return m.stop(ctx, m.forget(a), a)
			}
			if err := m.flush(ctx); err != nil {
				return m.lost(ctx, p, err, a)
			}
			_ = m.forget(a) // why the work on what was taken away has ended does not matter
			m.adopt(ctx)
			p.beat(ctx) // so that the next one can begin
		case answer := <-p.answers:
			if err := answer.err; err != nil {
				return m.lost(ctx, p, err)
			}
			if answer.share != nil {
				m.share = answer.share
				m.adopt(ctx)
			}
			p.beat(ctx)
		case <-commits.C:
			if err := m.flush(ctx); err != nil {
				return m.lost(ctx, p, err)
			}
		}
	}
}

// lost ends a membership that the group does not know any more, or that cannot go on. What has ended, and is still held, is given as well: it is not
// waited for.
func (m *member) lost(ctx context.Context, p *pulse, err error, before ...*Assignment) error {
	p.stop()
	switch {
	case ctx.Err() != nil && !errors.Is(err, ErrClosed):
		return m.stop(ctx, nil, before...) // which is why it could not go on
	case errors.Is(err, errMembership):
		for _, a := range before {
			_ = m.forget(a) // the next membership may be given the partition
		}
		return err
	}
	return m.stop(ctx, err, before...)
}

// join asks to become a member. The first time it gives up after a while when nobody answers.
func (m *member) join(ctx context.Context) error {
	host, _ := os.Hostname() // only shown
	request := &wire.GroupJoin{
		Member: m.id, Instance: m.cfg.Instance, Client: filepath.Base(os.Args[0]), Host: host,
		SessionTimeoutMS: m.cfg.SessionTimeout.Milliseconds(), RebalanceTimeoutMS: m.cfg.RebalanceTimeout.Milliseconds(),
	}
	for _, t := range m.topics {
		request.Topics = append(request.Topics, wire.GroupTopic{ID: t.ID, Partitions: len(t.Partitions)})
	}
	patience := m.client.cfg.ReadTimeout
	if m.joined {
		patience = 0
	}
	r, err := m.client.askGroup(ctx, m.group, wire.GroupRequest{Join: request}, "joining group "+m.group, patience)
	switch {
	case err != nil:
		return err
	case r.Share == nil || r.Share.SessionTimeoutMS <= 0:
		return &CorruptError{Topic: wire.GroupsTopic, Partition: -1, Offset: -1, Cause: errors.New("the answer to a join has no share")}
	}
	m.share, m.joined = r.Share, true
	return nil
}

// adopt makes what goes on what the share says: it ends work on what is not the member's any more, and begins work on what has become its.
func (m *member) adopt(ctx context.Context) {
	mine := make(map[wire.GroupPartition]wire.GroupStart, len(m.share.Assigned))
	for _, s := range m.share.Assigned {
		mine[s.GroupPartition] = s
	}
	for at, a := range m.held {
		if s, ok := mine[at]; !ok || s.Epoch != a.Epoch {
			a.end()
		}
	}
	for at, s := range mine {
		t, known := m.topics[at.Topic]
		if m.held[at] != nil || s.Epoch <= m.begun[at] || !known || int(at.Partition) >= len(t.Partitions) {
			continue // of the first it begins when that has ended; what it has stopped it never takes up again; what it has not asked for it is never given
		}
		m.begin(ctx, t, s)
	}
}

func (m *member) begin(ctx context.Context, t Topic, s wire.GroupStart) {
	ctx, end := context.WithCancel(ctx)
	a := &Assignment{Topic: t, Partition: s.Partition, Epoch: s.Epoch, Offset: s.Offset, end: end, ctx: ctx, next: s.Offset, committed: s.Offset}
	m.held[s.GroupPartition], m.begun[s.GroupPartition] = a, s.Epoch
	go func() {
		a.err = m.work(ctx, a)
		m.ended <- a
	}()
}

// forget removes what has ended, and answers how.
func (m *member) forget(a *Assignment) error {
	a.end()
	delete(m.held, a.key())
	return a.err
}

// released lists what the member was asked to give up, and has stopped, and what it has stopped because a commit was refused.
func (m *member) released() (all []wire.GroupAssignment) {
	for _, r := range m.share.Revoked {
		if m.held[r.GroupPartition] == nil {
			all = append(all, r)
		}
	}
	for _, s := range m.share.Assigned {
		if m.held[s.GroupPartition] == nil && m.begun[s.GroupPartition] == s.Epoch {
			all = append(all, s.GroupAssignment)
		}
	}
	return all
}

// flush commits what has been processed since the last time.
func (m *member) flush(ctx context.Context) error {
	request := &wire.GroupCommit{Member: m.id, Instance: m.cfg.Instance, Epoch: m.share.Epoch}
	var of []*Assignment
	for _, a := range m.held {
		if o, ok := a.commit(); ok {
			request.Offsets, of = append(request.Offsets, o), append(of, a)
		}
	}
	if len(of) == 0 {
		return nil
	}
	r, err := m.client.askGroup(ctx, m.group, wire.GroupRequest{Commit: request}, "committing offsets of group "+m.group, m.session())
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil // it is tried again, with what is done by then
	case err != nil:
		return err
	case len(r.Commits) != len(of):
		return &CorruptError{Topic: wire.GroupsTopic, Partition: -1, Offset: -1, Cause: fmt.Errorf("%d results for %d offsets", len(r.Commits), len(of))}
	}
	for i, a := range of {
		switch code := r.Commits[i].Code; code {
		case wire.OK:
			a.committed = request.Offsets[i].Offset
		case wire.FencedMember:
			a.end() // the next share says who has it
		case wire.OutOfOrder, wire.OffsetBackwards: // a later one is there
		default:
			return &GroupError{Group: m.group, Kind: groupKind(code), Reason: r.Commits[i].Detail}
		}
	}
	return nil
}

func groupKind(code wire.Code) error {
	if code == wire.GroupLimit {
		return ErrGroupLimit
	}
	return ErrInvalid
}

// session is the session timeout that the group has agreed to.
func (m *member) session() time.Duration {
	return time.Duration(m.share.SessionTimeoutMS) * time.Millisecond
}

// stop ends all work, commits what it did, leaves the group and returns cause. What has ended before is given as well.
func (m *member) stop(ctx context.Context, cause error, before ...*Assignment) error {
	ctx = context.WithoutCancel(ctx)
	for _, a := range before { // its progress is yet to be committed
		m.held[a.key()] = a
	}
	running := 0
	for _, a := range m.held {
		a.end()
		running++
	}
	running -= len(before)
	timeout := time.NewTimer(m.cfg.StopTimeout)
	defer timeout.Stop()
	p := &pulse{member: m}
	defer func() { p.stop() }()
	if m.share != nil && running > 0 {
		p.beat(ctx)
	}
	left := false
	for running > 0 {
		select {
		case <-m.ended: // what it did is committed below
			running--
		case answer := <-p.answers:
			if answer.err != nil || left { // then it has nothing to keep any more
				p.stop()
				continue
			}
			if answer.share != nil {
				m.share = answer.share
			}
			p.beat(ctx)
		case <-timeout.C:
			p.stop()
			for _, a := range m.held {
				cause = errors.Join(cause, &stopTimeoutError{m.group, a.Topic.Name, a.Partition, m.id})
				break
			}
			left = true
			m.leave(ctx, false)
		}
	}
	p.stop()
	if !left {
		m.leave(ctx, cause == nil)
	}
	return cause
}

// leaveMax bounds each of the last requests of a member: without them the group learns by its session that it has gone.
const leaveMax = 2 * time.Second

// leave commits what was done, and tells the group that the member goes. An instance that comes back has its partitions kept for it.
func (m *member) leave(ctx context.Context, returns bool) {
	if m.share == nil {
		return // it never was one
	}
	committing, cancel := context.WithTimeout(ctx, leaveMax)
	_ = m.flush(committing) // without it the next one repeats a little
	cancel()
	leave := &wire.GroupLeave{Member: m.id, Instance: m.cfg.Instance, Returns: returns && m.cfg.Instance != ""}
	_, _ = m.client.askGroup(ctx, m.group, wire.GroupRequest{Leave: leave}, "leaving group "+m.group, leaveMax)
}
