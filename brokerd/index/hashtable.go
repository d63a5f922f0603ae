package index

import "sync/atomic"

// hashTable maps hashes to numbers of things that it does not hold. One goroutine puts; others find at the same time.
// A slot is hash<<32 | number+1, 0 = free. Slots are never freed, so a search that began before the table grew is right as of then.
type hashTable struct {
	slots atomic.Pointer[[]atomic.Uint64]
	n     int // the writer's
}

const hashTableMin = 256 // slots; a power of two

// find returns the number under a hash that is the one.
func (h *hashTable) find(hash uint32, is func(number uint32) bool) (uint32, bool) {
	p := h.slots.Load()
	if p == nil {
		return 0, false
	}
	slots := *p
	mask := uint32(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := slots[i].Load()
		if slot == 0 {
			return 0, false
		}
		if uint32(slot>>32) == hash && is(uint32(slot)-1) {
			return uint32(slot) - 1, true
		}
	}
}

// put adds a number that is not there.
func (h *hashTable) put(hash, number uint32) {
	var slots []atomic.Uint64
	if p := h.slots.Load(); p != nil {
		slots = *p
	}
	if 4*(h.n+1) > 3*len(slots) {
		larger := grown(slots)
		h.slots.Store(&larger)
		slots = larger
	}
	h.n++
	place(slots, uint64(hash)<<32|uint64(number+1))
}

// replace changes a number that is there.
func (h *hashTable) replace(hash, old, number uint32) {
	slots := *h.slots.Load()
	mask := uint32(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if slots[i].Load() == uint64(hash)<<32|uint64(old+1) {
			slots[i].Store(uint64(hash)<<32 | uint64(number+1))
			return
		}
	}
}

func place(slots []atomic.Uint64, slot uint64) {
	mask := uint32(len(slots) - 1)
	i := uint32(slot>>32) & mask
	for slots[i].Load() != 0 {
		i = (i + 1) & mask
	}
	slots[i].Store(slot)
}

func grown(slots []atomic.Uint64) []atomic.Uint64 {
	larger := make([]atomic.Uint64, max(hashTableMin, 2*len(slots)))
	for i := range slots {
		if slot := slots[i].Load(); slot != 0 {
			place(larger, slot)
		}
	}
	return larger
}

func (h *hashTable) bytes() int {
	p := h.slots.Load()
	if p == nil {
		return 0
	}
	return len(*p) * 8
}
