package groups

import "github.com/google/uuid"

// Heartbeat says that a member lives, and what it has given up. The reply tells it its share unless it has the newest.
//
// A member stops what its share lists as revoked, and then names it in Released until it is gone from the share. The same goes for whatever its
// share lists that it has stopped for other reasons, or never begun. It releases nothing of a partition on which it still works under an earlier
// epoch. A release is a fact about one assignment, for ever: it may come late, twice or in any order.
//
// A subscription is changed from a share on: Topics count with the newest epoch and are left alone with an older one, so that a request that comes
// late does not undo what was said after it. The member compares what its shares list, and says again what it wants.
//
// Errors: [ErrUnknownMember], [ErrFencedMember], [ErrFencedInstance], [ErrInvalid], [ErrLimit].
type Heartbeat struct {
	Member   uuid.UUID
	Instance string       // as it joined
	Epoch    uint64       // of the share that the member has
	Topics   []Topic      // to which it will subscribe; none: it stays with those that its share lists
	Released []Assignment // that the member will never work on again
}

func (h Heartbeat) bytes(*group) int {
	if len(h.Released)+len(h.Topics) == 0 {
		return 0
	}
	return groupBytes + memberBytes
}

func (h Heartbeat) decide(t *turn) Reply {
	m, err := t.present(h.Member, h.Instance)
	if err != nil {
		return Reply{Err: err}
	}
	if h.Epoch > m.epoch {
		return Reply{Err: t.refuse(ErrFencedMember, "member %s says that it is at epoch %d, it is at %d: it has to join under a new id", m.id, h.Epoch, m.epoch)}
	}
	if err := t.checkTopics(h.Topics); err != nil {
		return Reply{Err: err}
	}
	t.hear(m)
	if len(h.Topics) > 0 && h.Epoch == m.epoch {
		t.subscribe(m, h.Topics)
	}
	for _, a := range h.Released {
		if s := t.slot(a.Partition); s != nil && s.owner == m.number && s.epoch == a.Epoch {
			s = t.editSlot(a.Partition)
			s.owner, s.epoch = 0, 0
		}
	}
	return t.tell(m, h.Epoch)
}
