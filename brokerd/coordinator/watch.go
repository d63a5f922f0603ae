package coordinator

import (
	"sync"

	"github.com/google/uuid"
)

// watches are heartbeats that wait for a change of their member's share, at most one of each member.
type watches struct {
	mu       sync.Mutex
	byMember map[uuid.UUID]chan struct{}
}

// watch gives a channel that is closed when a member's share changes, or when its next heartbeat comes: nobody waits for the answer to this one then.
func (w *watches) watch(member uuid.UUID) <-chan struct{} {
	changed := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byMember == nil {
		w.byMember = map[uuid.UUID]chan struct{}{}
	}
	if earlier := w.byMember[member]; earlier != nil {
		close(earlier)
	}
	w.byMember[member] = changed
	return changed
}

// unwatch gives it back.
func (w *watches) unwatch(member uuid.UUID, changed <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byMember[member] == changed {
		delete(w.byMember, member)
	}
}

// tell closes the channels of members whose share has changed.
func (w *watches) tell(members []uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range members {
		if changed := w.byMember[m]; changed != nil {
			close(changed)
			delete(w.byMember, m)
		}
	}
}
