package engine

// Health is nil while the engine stores and serves its log, else ErrDisabled or ErrClosed.
// A node asks about once a second and stops serving on the first error.
func (e *Engine) Health() error {
	select {
	case <-e.closed:
		return ErrClosed
	default:
	}
	if !e.server.Running() {
		return ErrClosed
	}
	if !e.server.JetStreamEnabled() {
		return ErrDisabled
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
