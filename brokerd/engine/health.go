package engine

import (
	"errors"

	"github.com/nats-io/nats-server/v2/server"
)

// In percent of StoreBytesMax.
const (
	storePercentFull  = 95 // room for what is already under way
	storePercentRoomy = 90
)

// Health is nil while the engine stores and serves its log, else ErrDisabled, ErrStuck or ErrClosed.
// A node asks about once a second and stops serving on the first error.
func (e *Engine) Health() error {
	select {
	case <-e.closing:
		return ErrClosed
	default:
	}
	if err := e.stuck.err.Load(); err != nil {
		return err
	}
	if err := e.failure.get(); err != nil {
		return &DisabledError{Cause: err}
	}
	if !e.server.JetStreamEnabled() {
		return ErrDisabled
	}
	return nil
}

// Probe is Health after the engine was asked for every stream whether it can be written. It costs a look at each.
// An engine that does not answer is an ErrStuck.
func (e *Engine) Probe() error {
	if err := e.Health(); err != nil {
		return err
	}
	answer := make(chan []server.HealthzError, 1)
	go func() { answer <- e.server.Healthz(&server.HealthzOptions{Details: true}).Errors }() // it ends with the process when the engine is stuck
	failures, err := e.await(answer)
	if err != nil {
		return err
	}
	for _, h := range failures {
		// Others are of no failure: a stream that is being created is for a moment on disk and nowhere else.
		if writeFailure(h.Error) {
			e.failure.set(errors.New(h.Error))
		}
	}
	return e.Health()
}

// Trouble holds a token when the engine has failed since it was last taken: the time for a Probe.
func (e *Engine) Trouble() <-chan struct{} { return e.failure.trouble }

// Space is nil while there is room to append, else a *[SpaceError]. A full disk makes the engine give up its store,
// so a node asks about once a second and refuses appends in time; reads may go on.
func (e *Engine) Space() error { return e.space(e.cfg.FreeBytesMin, storePercentFull) }

// Roomy is Space with something to spare. Whoever stopped appends because of Space lets them in again when this is nil: between the two,
// a node does not go back and forth.
func (e *Engine) Roomy() error { return e.space(e.cfg.FreeBytesMin/4*5, storePercentRoomy) }

func (e *Engine) space(freeMin, storePercent int64) error {
	v, err := MeasureVolume(e.cfg.Dir)
	if err != nil {
		return err
	}
	used := int64(e.account.JetStreamUsage().Store)
	if v.Free < freeMin || used > e.cfg.StoreBytesMax/100*storePercent {
		return &SpaceError{Dir: e.cfg.Dir, Free: v.Free, FreeMin: freeMin, Store: used, StoreMax: e.cfg.StoreBytesMax}
	}
	return nil
}

// IsLeader says whether this engine leads a stream, by its own belief: the sequencer's barrier is the proof.
// An engine without peers leads all that it has.
func (e *Engine) IsLeader(stream string) bool {
	if e.Health() != nil {
		return false
	}
	return !e.server.JetStreamIsClustered() || e.server.JetStreamIsStreamLeader(logAccount, stream)
}
