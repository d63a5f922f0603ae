package groups

// Delete removes a group with its committed offsets. Its epochs are never used again, also by a later group of its name.
//
// Errors: [ErrUnknownGroup], [ErrGroupNotEmpty].
type Delete struct{}

func (Delete) bytes(g *group) int { return groupBytes + len(g.offsets)*offsetBytes }

func (Delete) decide(t *turn) Reply {
	switch n := t.count(); {
	case !t.stored:
		return Reply{Err: t.refuse(ErrUnknownGroup, "there is nothing to delete")}
	case n > 0:
		return Reply{Err: t.refuse(ErrGroupNotEmpty, "it has %d members: stop them first", n)}
	}
	for p := range t.group.offsets {
		t.commits[p] = nil
	}
	for p := range t.commits {
		t.commits[p] = nil
	}
	t.offsets, t.stored = 0, false
	return Reply{}
}
