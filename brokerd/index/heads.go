package index

import (
	"hash/maphash"
	"math/bits"
)

// Heads remembers the newest version of up to a number of streams, in at most 64 bytes of RAM each. When it is full it forgets a stream
// that was not asked for lately (by the clock algorithm). What it answers is always what was put last.
//
// It holds no names but hashes of 128 bits, keyed at random for each table: a collision, which would give a stream the version
// of another, is out of reach even for one who chooses the names. It holds no pointers. It belongs to one goroutine.
type Heads struct {
	high, low maphash.Seed
	parts     []headsPart
	evicted   bool
}

const (
	headsPartMin  = 4096 // streams in a part, unless the whole table is smaller
	headsPartsMax = 256  // so that a part, which grows at once, is small
)

// NewHeads returns an empty table for up to limit streams, at least one. It takes memory as it fills.
func NewHeads(limit int) *Heads {
	limit = max(limit, 1)
	n := min(max(limit/headsPartMin, 1), headsPartsMax)
	h := &Heads{high: maphash.MakeSeed(), low: maphash.MakeSeed(), parts: make([]headsPart, n)}
	for i := range h.parts {
		h.parts[i].limit = limit / n
	}
	return h
}

// Get returns the version of a stream, and false when the table does not know it.
func (h *Heads) Get(partition int32, stream string) (version int64, ok bool) {
	key := h.hash(partition, stream)
	p := h.part(key)
	i, ok := p.find(key)
	if !ok {
		return 0, false
	}
	p.slots[i].version |= headUsed
	return int64(p.slots[i].version &^ headUsed), true
}

// Put sets the version of a stream: 0, for a stream that does not exist, or more.
func (h *Heads) Put(partition int32, stream string, version int64) {
	key := h.hash(partition, stream)
	p := h.part(key)
	i, ok := p.find(key)
	if ok {
		p.slots[i].version = uint64(version) | headUsed
		return
	}
	if p.n == p.limit {
		p.evict()
		h.evicted = true
	}
	p.add(headsSlot{key: key, version: uint64(version)})
}

// Len is the number of streams that the table knows.
func (h *Heads) Len() int {
	n := 0
	for i := range h.parts {
		n += h.parts[i].n
	}
	return n
}

// Evicted says whether the table has ever forgotten a stream. While it has not, a stream that it does not know was never put.
func (h *Heads) Evicted() bool { return h.evicted }

// hash mixes the partition into one half: equal names of different partitions differ there for certain.
func (h *Heads) hash(partition int32, stream string) headsKey {
	key := headsKey{
		high: maphash.String(h.high, stream),
		low:  maphash.String(h.low, stream) ^ uint64(uint32(partition))*0x9e3779b97f4a7c15,
	}
	if key == (headsKey{}) {
		key.low = 1 // zero marks a free slot
	}
	return key
}

func (h *Heads) part(key headsKey) *headsPart {
	return &h.parts[scale(key.high, len(h.parts))]
}

// scale maps a hash evenly to 0 … n-1.
func scale(hash uint64, n int) int {
	i, _ := bits.Mul64(hash, uint64(n))
	return int(i)
}

// headsPart is a hash table with linear probing. Deletion moves later slots up, so a free slot always ends a search.
type headsPart struct {
	slots []headsSlot
	n     int // slots taken
	limit int

	// The clock: its hand is at a slot, and moves on by stride, which has no divisor in common with the number of slots. So it comes to
	// every slot once in a round. From each to the next, it would leave a desert behind it and find a jam before it.
	hand, stride int
}

type headsKey struct{ high, low uint64 }

type headsSlot struct {
	key     headsKey
	version uint64 // and headUsed
}

// headUsed marks a slot that was asked for since the hand last came to it.
const headUsed = 1 << 63

func (p *headsPart) home(key headsKey) int { return scale(key.low, len(p.slots)) }

func (p *headsPart) next(i int) int {
	if i++; i < len(p.slots) {
		return i
	}
	return 0
}

// find returns the slot of a key.
func (p *headsPart) find(key headsKey) (int, bool) {
	if len(p.slots) == 0 {
		return 0, false
	}
	for i := p.home(key); ; i = p.next(i) {
		switch p.slots[i].key {
		case key:
			return i, true
		case headsKey{}:
			return 0, false
		}
	}
}

// add takes in a key that is not there. At most three quarters of the slots are taken; growing by a quarter leaves three fifths of
// them taken, 40 bytes a stream.
func (p *headsPart) add(s headsSlot) {
	if 4*(p.n+1) > 3*len(p.slots) {
		p.grow()
	}
	p.n++
	p.place(s)
}

func (p *headsPart) place(s headsSlot) {
	i := p.home(s.key)
	for p.slots[i].key != (headsKey{}) {
		i = p.next(i)
	}
	p.slots[i] = s
}

func (p *headsPart) grow() {
	const least = 16
	old := p.slots
	// One free slot at least, and no more than a full part needs.
	size := min(max(len(old)*5/4, least), p.limit*4/3+2)
	p.slots = make([]headsSlot, size)
	p.hand, p.stride = 0, strideOf(size)
	for _, s := range old {
		if s.key != (headsKey{}) {
			p.place(s)
		}
	}
}

// strideOf is about the golden section of n, which spreads the steps evenly.
func strideOf(n int) int {
	stride := n*618/1000 + 1
	for gcd(stride, n) != 1 {
		stride++
	}
	return stride
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// evict forgets the first stream from the hand on that was not used, and takes the mark from those that the hand comes to before.
func (p *headsPart) evict() {
	for ; ; p.hand = (p.hand + p.stride) % len(p.slots) {
		s := &p.slots[p.hand]
		if s.key == (headsKey{}) {
			continue
		}
		if s.version&headUsed == 0 {
			p.remove(p.hand)
			return
		}
		s.version &^= headUsed
	}
}

// remove frees a slot and closes the gap: a later slot of the same cluster moves up when its home does not lie behind the gap.
func (p *headsPart) remove(gap int) {
	p.n--
	for i := p.next(gap); p.slots[i].key != (headsKey{}); i = p.next(i) {
		if home := p.home(p.slots[i].key); p.between(gap, home, i) {
			continue
		}
		p.slots[gap] = p.slots[i]
		gap = i
	}
	p.slots[gap] = headsSlot{}
}

// between says whether home lies in (gap, i], going round.
func (p *headsPart) between(gap, home, i int) bool {
	if gap < i {
		return gap < home && home <= i
	}
	return gap < home || home <= i
}
