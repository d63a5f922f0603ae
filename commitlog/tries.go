package commitlog

// tries remembers what is known of the sends of one thing that must take effect once at most.
type tries struct {
	session uint64 // the session that sent counts in
	sent    uint32 // sends to that session whose outcome is unknown
	unknown error  // why the outcome of some send, to whatever session, is unknown; nil when no send can have an effect
}

// attempt is the number of the next send to a session. A new session starts at 1 again: it cannot receive what was addressed to an earlier one, and
// whatever the earlier one stored it knows by the sequence.
func (t *tries) attempt(session uint64) uint32 {
	if t.session != session {
		t.session, t.sent = session, 0
	}
	return t.sent + 1
}

// lost notes a send that may have an effect, now or later.
func (t *tries) lost(cause error) {
	t.sent++
	t.unknown = cause
}

// absent notes a proof that no send so far had an effect or will have one.
func (t *tries) absent() { t.sent, t.unknown = 0, nil }
