package shard

import (
	"sync/atomic"

	"github.com/strandlog/strand/internal/wire"
)

// Admission says whether shards take appends. The shards of a node share one: it is closed while the node cannot store, before the engine finds out
// the hard way, and opened again by whoever closed it. Reads go on, and so do the proofs that strict reads wait for. The zero value is open.
type Admission struct {
	reason atomic.Pointer[error]
}

// Refuse closes it: from now on appends are answered with the reason, which is definite.
func (a *Admission) Refuse(reason error) { a.reason.Store(&reason) }

// Admit opens it.
func (a *Admission) Admit() { a.reason.Store(nil) }

// Refused is the reason why it is closed, nil while it is open.
func (a *Admission) Refused() error {
	if a == nil {
		return nil
	}
	if reason := a.reason.Load(); reason != nil {
		return *reason
	}
	return nil
}

// refusesAppends is why appends are not taken for now, OK while they are.
func (s *Shard) refusesAppends() (wire.Code, string) {
	if reason := s.cfg.Admission.Refused(); reason != nil {
		return wire.NoStorage, reason.Error()
	}
	if s.cfg.Short != nil {
		if reason := s.cfg.Short(); reason != nil {
			return wire.NotEnoughSync, reason.Error()
		}
	}
	return wire.OK, ""
}

// present hands an append to the core, unless nothing is to be stored for a reason. What is stored already is answered as ever, and snapshots are taken: they are
// the way to delete.
func (s *Shard) present(a *Append, code wire.Code, reason string) {
	if code == wire.OK || len(a.Writes) == 0 && a.Batch == nil || s.core.knows(a) {
		s.core.Submit(a)
		return
	}
	s.core.reply(a, wire.AppendResult{Code: code, Detail: reason})
}

// knows says whether the core can answer an append without storing anything.
func (c *Core) knows(a *Append) bool {
	if c.phase != Serving {
		return c.phase == Stopped && codeOf(c.cause) != wire.NotLeader
	}
	if _, known := c.producers.lookup(a.Producer, a.Sequence, a.Since); known == wasStored {
		return true
	}
	_, inFlight := c.overlay.sequences[producerSequence{a.Producer, a.Sequence}]
	return inFlight
}
