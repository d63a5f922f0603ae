package groups

import "github.com/google/uuid"

// Leave takes a member out of its group: what it had goes to others at once. An instance that says that it comes back keeps its partitions
// reserved until it joins again, or its session ends.
//
// The member has stopped everything before it sends this. To leave twice, or where one is no member, is no error.
//
// Errors: [ErrInvalid].
type Leave struct {
	Member   uuid.UUID
	Instance string // as it joined
	Returns  bool   // the instance comes back within the session timeout
}

func (l Leave) bytes(*group) int { return groupBytes + memberBytes }

func (l Leave) decide(t *turn) Reply {
	m := t.member(l.Member)
	switch {
	case l.Returns && l.Instance == "":
		return Reply{Err: t.refuse(ErrInvalid, "member %s has no instance name under which it could come back", l.Member)}
	case m == nil || m.away && l.Returns:
		return Reply{}
	case m.instance != l.Instance:
		return Reply{Err: t.refuse(ErrInvalid, "member %s joined as instance %q, the request says %q", m.id, m.instance, l.Instance)}
	case !l.Returns:
		t.remove(m)
		return Reply{}
	}
	t.hear(m)
	t.edit(m).away = true
	t.release(m.number)
	return Reply{}
}
