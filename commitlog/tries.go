package commitlog

// tries remembers what is known of the sends of one thing that must take effect once at most.
type tries struct {
	epoch   uint64 // of the session that it was sent to last
	since   uint64 // of the first session that it was sent to without learning the outcome, 0: none
	unknown error  // why the outcome of some send, to whatever session, is unknown; nil when no send can have an effect
}

// sendTo notes the session of the next send, and returns what the broker must know of the sends before. A session cannot receive what was addressed to
// an earlier one, and whatever those stored it knows by the sequence, unless that was forgotten: the broker knows up to which epoch it may have been.
func (t *tries) sendTo(at route) (since uint64) {
	t.epoch = at.epoch
	return t.since
}

// lost notes a send that may have an effect, now or later.
func (t *tries) lost(cause error) {
	if t.unknown = cause; t.since == 0 {
		t.since = t.epoch
	}
}

// absent notes a proof that no send so far had an effect or will have one.
func (t *tries) absent() { t.since, t.unknown = 0, nil }
