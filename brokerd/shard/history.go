package shard

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// stored remembers one write of an append, so that a retry is answered with the original result.
type stored struct {
	sequence     uint64
	hash         uint64 // of the append's content
	firstOffset  int64
	firstVersion int64
	partition    int32
	write        uint16 // index within the append
	count        int32
	timestamp    int64
}

// precedes says whether a write comes before another one of its producer.
func (s *stored) precedes(o *stored) bool {
	return cmp.Or(cmp.Compare(s.sequence, o.sequence), cmp.Compare(s.write, o.write)) < 0
}

// history is writes of one producer, in the order of sequence and index. What the writes of an append have in common is kept once: many a client
// puts a hundred of them into one.
//
// Its memory is only added to where nothing was before, unless shared is false: view relies on that.
type history struct {
	appends []storedAppend
	places  []place
	shared  bool // a view may be in use
}

// storedAppend is what the writes of one append have in common.
type storedAppend struct {
	sequence, hash uint64
	timestamp      int64
	end            int // index after its last place
}

// place is what one write has of its own. With partitions below 64 Ki it takes 24 bytes.
type place struct {
	firstOffset, firstVersion int64
	count                     int32
	partition, write          uint16
}

func (h *history) writes() int { return len(h.places) }

// oldest is the lowest sequence, of a history that is not empty.
func (h *history) oldest() uint64 { return h.appends[0].sequence }

// begin is the index of the i-th append's first place.
func (h *history) begin(i int) int {
	if i == 0 {
		return 0
	}
	return h.appends[i-1].end
}

// from is the index of the first append of a sequence or a higher one.
func (h *history) from(sequence uint64) int {
	return sort.Search(len(h.appends), func(i int) bool { return h.appends[i].sequence >= sequence })
}

func (h *history) at(i, j int) stored {
	a, p := &h.appends[i], &h.places[j]
	return stored{
		sequence: a.sequence, hash: a.hash, timestamp: a.timestamp,
		firstOffset: p.firstOffset, firstVersion: p.firstVersion, partition: int32(p.partition), write: p.write, count: p.count,
	}
}

// all yields the writes in order.
func (h *history) all() iter.Seq[stored] {
	return func(yield func(stored) bool) {
		for i := range h.appends {
			for j := h.begin(i); j < h.appends[i].end; j++ {
				if !yield(h.at(i, j)) {
					return
				}
			}
		}
	}
}

// find returns the writes of a sequence.
func (h *history) find(sequence uint64) (found []stored) {
	for i := h.from(sequence); i < len(h.appends) && h.appends[i].sequence == sequence; i++ {
		for j := h.begin(i); j < h.appends[i].end; j++ {
			found = append(found, h.at(i, j))
		}
	}
	return found
}

// add takes a write in. One that is there already changes nothing. Most come in order, and at the end.
func (h *history) add(s stored) {
	i := len(h.appends)
	for i > 0 && h.appends[i-1].sequence > s.sequence {
		i--
	}
	j := h.begin(i)
	if i == 0 || h.appends[i-1].sequence < s.sequence {
		h.insert(i, j, s)
		return
	}
	for first := h.begin(i - 1); j > first && h.places[j-1].write >= s.write; j-- {
		if h.places[j-1].write == s.write {
			return
		}
	}
	h.insert(i, j, s)
}

// insert puts a write before the j-th place, into the append before the i-th if it is that one's, else into an append of its own.
func (h *history) insert(i, j int, s stored) {
	joins := i > 0 && h.appends[i-1].sequence == s.sequence && h.appends[i-1].hash == s.hash && h.appends[i-1].timestamp == s.timestamp
	if h.shared && (joins || j < len(h.places)) {
		h.appends, h.places, h.shared = slices.Clone(h.appends), slices.Clone(h.places), false
	}
	h.places = slices.Insert(h.places, j, place{firstOffset: s.firstOffset, firstVersion: s.firstVersion, count: s.count, partition: uint16(s.partition), write: s.write})
	if joins {
		i--
	} else {
		h.appends = slices.Insert(h.appends, i, storedAppend{sequence: s.sequence, hash: s.hash, timestamp: s.timestamp, end: j})
	}
	for ; i < len(h.appends); i++ {
		h.appends[i].end++
	}
}

// keepFrom drops what is below a sequence.
func (h *history) keepFrom(sequence uint64) { h.cut(h.from(sequence)) }

// dropOldest drops the oldest writes, at least so many: the writes of one append stay together. It returns the highest sequence that was dropped.
func (h *history) dropOldest(writes int) uint64 {
	n := sort.Search(len(h.appends), func(i int) bool { return h.appends[i].end >= writes }) + 1
	last := h.appends[n-1].sequence
	for n < len(h.appends) && h.appends[n].sequence == last {
		n++
	}
	h.cut(n)
	return last
}

// cut drops the first n appends. What is left lies in memory of its own.
func (h *history) cut(n int) {
	first := h.begin(n)
	h.appends, h.places, h.shared = slices.Clone(h.appends[n:]), slices.Clone(h.places[first:]), false
	for i := range h.appends {
		h.appends[i].end -= first
	}
}

// view returns the producer as it is, and as it stays while writes are added to the original.
func (pr *producer) view() producer {
	pr.shared = true
	v := *pr
	v.appends, v.places = slices.Clip(v.appends), slices.Clip(v.places)
	return v
}
