package shard

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	crand "crypto/rand"

	"github.com/strandlog/strand/internal/wire"
)

// run is the sequencer's goroutine.
func (s *Shard) run(ctx context.Context, ready chan<- error) {
	defer close(s.done)
	defer s.endSession()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var backoff time.Duration
	var notBefore time.Time // the next fence; zero after a session has served
	stopped := false
	for {
		wait := s.cfg.LeadershipPolling
		if err := s.store.failure(); err != nil {
			s.core.Stop(err)
		}
		switch s.core.Phase() {
		case Serving:
			backoff, notBefore = 0, time.Time{}
			if !s.cfg.Log.Leader() {
				s.core.Deposed()
				break
			}
			if ready != nil {
				ready <- nil
				ready = nil
			}
		case Stopped:
			s.endSession()
			if !stopped {
				stopped = true
				s.report()
				close(s.ended)
			}
			if ready != nil {
				ready <- s.core.Cause()
				ready = nil
			}
		default:
			if s.core.InFlight() > 0 {
				break
			}
			s.endSession()
			if s.cfg.Replicated && !s.cfg.Log.Leader() {
				s.core.Deposed() // it may have been fencing
				s.tooShort = observed{}
				err := s.shadow(ctx)
				if s.core.Phase() == Stopped || s.store.failure() != nil {
					continue
				}
				if err != nil && ctx.Err() == nil {
					s.cfg.Logger.Debug("this node's copy of the log could not be followed, trying again", "error", err)
				} else if ready != nil {
					ready <- nil
					ready = nil
				}
				break
			}
			if wait = time.Until(notBefore); wait > 0 {
				break
			}
			backoff = min(max(2*backoff, 10*time.Millisecond), s.cfg.FenceBackoffMax)
			wait = backoff/2 + rand.N(backoff/2+1)
			notBefore = time.Now().Add(wait)
			if err := s.fence(ctx); err != nil && ctx.Err() == nil && s.core.Phase() != Stopped {
				s.cfg.Logger.Warn("the sequencer could not fence, trying again", "error", err, "after", wait)
			}
			if s.core.Phase() == Stopped {
				continue
			}
		}
		if s.core.InFlight() > 0 {
			wait = max(s.cfg.PublishTimeout-time.Since(s.progress), 0)
		}
		space := s.turn()
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-space:
		case <-timer.C:
			if s.core.InFlight() > 0 && time.Since(s.progress) >= s.cfg.PublishTimeout {
				s.cfg.Logger.Warn("the engine did not answer a publish in time", "timeout", s.cfg.PublishTimeout)
				s.core.Failed(s.sessionID)
			}
		case h := <-s.handOvers:
			h.done <- s.handOver(ctx, h.stepDown)
		case <-ctx.Done():
			s.drain()
			return
		}
		s.input()
	}
}

// input takes what other goroutines handed in: acknowledgements first, they make room in the window.
func (s *Shard) input() {
	s.mu.Lock()
	in := s.inbox
	s.inbox = inbox{}
	s.mu.Unlock()
	for _, a := range in.acks {
		switch {
		case a.Err != nil:
			s.cfg.Logger.Warn("a publish failed", "session", a.session, "seq", a.Intended, "error", a.Err)
			s.core.Failed(a.session)
		default:
			s.progress = time.Now()
			s.stopped(s.core.Acked(a.session, a.Intended, a.Seq))
		}
	}
	code, reason := s.refusesAppends() // once, so that of a producer's batches in one request none is stored after one that is to be sent again
	for _, a := range in.appends {
		s.present(a, code, reason)
	}
}

// turn builds what can be built and carries out what the core asks for. While the writer is too far behind, admission waits for
// the channel that it returns.
func (s *Shard) turn() <-chan struct{} {
	space, full := s.store.full()
	if !full {
		s.stopped(s.core.Pump(s.cfg.Clock()))
	}
	s.report()
	s.flush()
	return space
}

// flush sends the core's replies and publishes its frames.
func (s *Shard) flush() {
	replies, publish := s.core.Take()
	for _, r := range replies {
		s.answer(r)
	}
	if len(publish) > 0 && s.core.InFlight() <= len(publish) { // nothing was under way
		s.progress = time.Now()
	}
	for _, p := range publish {
		if err := s.session.Publish(p.Seq, p.Data); err != nil {
			s.ack(p.Session, Ack{Intended: p.Seq, Err: err})
		}
	}
	if serving := s.core.Phase() == Serving && !s.draining; serving != s.open {
		if !serving {
			s.closeSession()
			s.nudge() // to open the next one
			return
		}
		s.open = true
		if err := s.cfg.Opened(s, s.sessionID, s.core.State().Epoch); err != nil {
			s.ack(s.sessionID, Ack{Err: fmt.Errorf("opening the session to requests: %w", err)})
		}
	}
}

func (s *Shard) answer(r Reply) {
	req := r.Append.Tag.(*request) // Shard.Append alone sets it
	req.results[r.Append.Index] = r.Result
	if req.left--; req.left > 0 {
		return
	}
	s.mu.Lock()
	s.queued -= req.bytes
	s.mu.Unlock()
	req.done(req.results)
}

// report publishes where the shard stands. Before the replies: who has an answer finds it in the status.
func (s *Shard) report() {
	state := s.core.State()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Phase, s.status.Cause, s.status.Epoch, s.status.Session = s.core.Phase(), s.core.Cause(), state.Epoch, s.sessionID
	s.status.Next = append(s.status.Next[:0:0], state.Next...)
	s.status.Starts, s.status.Time = state.Starts, state.Time
	s.status.Stats = s.core.stats
}

func (s *Shard) stopped(err error) {
	if err != nil {
		s.cfg.Logger.Error("the shard stops: its log cannot be served", "error", err)
	}
}

// fence reads the log to the end that the engine reports and publishes a barrier behind it.
func (s *Shard) fence(ctx context.Context) error {
	if !s.cfg.Log.Leader() {
		return nil
	}
	if err := s.follow(ctx); err != nil {
		return err
	}
	id, err := newSession()
	if err != nil {
		return err
	}
	session, err := s.cfg.Log.Session(id, func(a Ack) { s.ack(id, a) })
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	s.session, s.sessionID = session, id
	s.core.Fence(id, s.cfg.Clock())
	return nil
}

// follow applies the log up to the last message that the engine reports.
func (s *Shard) follow(ctx context.Context) error {
	first, last, err := s.cfg.Log.Bounds(ctx)
	if err != nil {
		return fmt.Errorf("asking the engine for its first and last sequence: %w", err)
	}
	acked, _ := s.store.mark.acked()
	if known := max(acked, s.core.State().Seq); last < known {
		return s.short(last, known)
	}
	s.tooShort = observed{}
	if err := s.begin(ctx, max(first, s.store.mark.cutAt())); err != nil {
		return err
	}
	if err := s.anchor(ctx); err != nil {
		return err
	}
	return s.replay(ctx, s.cfg.Log.Read(ctx, s.core.State().Seq+1, last))
}

// short takes a log that is said to end before what this node knows to be acknowledged. Where the log has other copies, the answer may be that of a former
// leader, which was cut off and does not know yet that another one was elected: that passes, so only an end that stays short is a loss.
func (s *Shard) short(last, known uint64) error {
	lasts := s.tooShort.again(time.Now(), max(s.cfg.DivergedAfter/3, 3*s.cfg.FenceBackoffMax))
	if s.cfg.Replicated && lasts < s.cfg.DivergedAfter {
		return fmt.Errorf("the engine says that the log ends at sequence %d, but frames were acknowledged up to %d: a former leader may have answered", last, known)
	}
	err := fmt.Errorf("%w: it ends at engine sequence %d, but frames were acknowledged up to %d. Restore the log from a backup, or delete the topic", ErrDiverged, last, known)
	s.core.Stop(err)
	return err
}

// begin starts over at the log's first message when the log was cut beyond what segments and index hold.
func (s *Shard) begin(ctx context.Context, first uint64) error {
	st := s.core.State()
	if first <= 1 || st.Seq >= first || s.anchored && st.Seq+1 == first {
		return nil
	}
	if s.anchored && st.Seq > 0 {
		return s.behind(first)
	}
	for msg, err := range s.cfg.Log.Read(ctx, first, first) {
		if err != nil {
			return s.unread(err)
		}
		if err := s.core.Begin(msg.Seq, msg.Data); err != nil {
			return err
		}
	}
	s.anchored = true
	return nil
}

// anchor checks once that the log still holds the frame at which segments and index end.
func (s *Shard) anchor(ctx context.Context) error {
	st := s.core.State()
	if s.anchored || st.Seq == 0 {
		s.anchored = true
		return nil
	}
	for msg, err := range s.cfg.Log.Read(ctx, st.Seq, st.Seq) {
		if err != nil {
			return s.unread(err)
		}
		if f, err := DecodeFrame(msg.Data); err != nil {
			s.core.Stop(&CorruptError{Seq: msg.Seq, Reason: err})
			return s.core.Cause()
		} else if f.Sum != st.Sum {
			s.core.Stop(fmt.Errorf("%w: the log at engine sequence %d is not the one that the index was built from", ErrDiverged, st.Seq))
			return s.core.Cause()
		}
	}
	s.anchored = true
	return nil
}

// unread takes an error of reading the log. What the log says to be damaged will not come back by asking again.
func (s *Shard) unread(err error) error {
	err = fmt.Errorf("reading the log: %w", err)
	if errors.Is(err, ErrCorrupt) {
		s.core.Stop(err)
	}
	return err
}

// newSession draws a session id that was never used and never will be.
func newSession() (uint64, error) {
	var b [8]byte
	for {
		if _, err := crand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("drawing a session id: %w", err)
		}
		if id := binary.LittleEndian.Uint64(b[:]); id != 0 {
			return id, nil
		}
	}
}

// drain ends the shard: nothing is admitted, the window may finish.
func (s *Shard) drain() {
	s.finish()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.input()
	s.core.Stop(ErrClosed)
	s.report()
	s.flush()
}

// finish ends the session, and says whether everything that was published got its answer in time.
func (s *Shard) finish() bool {
	s.draining = true
	s.closeSession()
	s.core.refuseQueue()
	deadline := time.NewTimer(s.cfg.PublishTimeout)
	defer deadline.Stop()
	for s.core.Phase() == Serving && s.core.InFlight() > 0 {
		s.flush()
		select {
		case <-s.wake:
			s.input()
			s.core.refuseQueue()
		case <-deadline.C:
			return false
		}
	}
	return true
}

func (s *Shard) closeSession() {
	if s.open {
		s.open = false
		s.cfg.Closed(s.sessionID)
	}
}

func (s *Shard) endSession() {
	s.closeSession()
	if s.session == nil {
		return
	}
	if err := s.session.Close(); err != nil {
		s.cfg.Logger.Warn("closing a session", "error", err)
	}
	s.session = nil
}

// ShardInfo describes the shard for metadata.
func (s *Shard) ShardInfo(node string) wire.ShardInfo {
	st := s.Status()
	info := wire.ShardInfo{Shard: s.cfg.Layout.Shard, State: st.Phase.String(), Node: node, Epoch: st.Epoch, Session: st.Session, Newest: st.Time}
	if st.Cause != nil {
		info.Detail = st.Cause.Error()
	}
	switch refused := s.cfg.Admission.Refused(); {
	case st.Phase == Serving:
	case refused != nil:
		info.State, info.Detail = wire.ShardNoStorage, refused.Error()
	case errors.Is(st.Cause, ErrCache):
		info.State = wire.ShardRebuilding
	}
	switch codeOf(st.Cause) {
	case wire.Corrupt:
		info.State = wire.ShardCorrupt
	case wire.LogDiverged:
		info.State = wire.ShardDiverged
	}
	for slot, next := range st.Next {
		info.Partitions = append(info.Partitions, wire.PartitionInfo{Partition: s.cfg.Layout.Partition(slot), Start: st.Starts[slot], HighWatermark: next})
	}
	return info
}
