package coordinator

import (
	"slices"
	"sync"

	"github.com/google/uuid"
)

// watches are heartbeats that wait for a change of their member's share.
type watches struct {
	mu       sync.Mutex
	byMember map[uuid.UUID][]chan struct{}
}

// watch gives a channel that is closed when a member's share changes.
func (w *watches) watch(member uuid.UUID) <-chan struct{} {
	changed := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byMember == nil {
		w.byMember = map[uuid.UUID][]chan struct{}{}
	}
	w.byMember[member] = append(w.byMember[member], changed)
	return changed
}

// unwatch gives it back.
func (w *watches) unwatch(member uuid.UUID, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slices.DeleteFunc(w.byMember[member], func(other chan struct{}) bool { return other == changed })
	if w.byMember[member] = left; len(left) == 0 {
		delete(w.byMember, member)
	}
}

// tell closes the channels of members whose share has changed.
func (w *watches) tell(members []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range members {
		for _, changed := range w.byMember[m] {
			close(changed)
		}
		delete(w.byMember, m)
	}
}
