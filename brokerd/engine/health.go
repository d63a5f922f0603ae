package engine

const storePercentFull = 95 // of StoreBytesMax: room for what is already under way

// Health is nil while the engine stores and serves its log, else ErrDisabled or ErrClosed.
// A node asks about once a second and stops serving on the first error.
func (e *Engine) Health() error {
	select {
	case <-e.closing:
		return ErrClosed
	default:
	}
	if !e.server.JetStreamEnabled() {
		return ErrDisabled
	}
	return nil
}

// Space is nil while there is room to append, else a *[SpaceError]. A full disk makes the engine give up its store,
// so a node asks about once a second and refuses appends in time; reads may go on.
func (e *Engine) Space() error {
	v, err := MeasureVolume(e.cfg.Dir)
	if err != nil {
		return err
	}
	used := int64(e.account.JetStreamUsage().Store)
	if v.Free < e.cfg.FreeBytesMin || used > e.cfg.StoreBytesMax/100*storePercentFull {
		return &SpaceError{Dir: e.cfg.Dir, Free: v.Free, FreeMin: e.cfg.FreeBytesMin, Store: used, StoreMax: e.cfg.StoreBytesMax}
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
