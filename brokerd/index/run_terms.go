package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// terms writes the postings of a frozen tail, and the newest offset of each of its types.
func (r *run) terms(t *Tail) {
	r.postings(t)
	for _, number := range t.sortedTypes() {
		k := t.terms.types.at(number)
		r.key = appendTypeKey(r.key[:0], k.partition, t.names.bytesOf(k.name))
		r.value = appendHead(r.value[:0], k.newest.Load())
		r.set(r.key, r.value)
	}
}

func (r *run) postings(t *Tail) {
	var scratch []uint32
	for _, number := range t.sortedPairs() {
		p := t.terms.pairs.at(number)
		g := t.terms.tags.at(p.tag)
		r.key = appendTag(r.key[:0], g.partition, t.names.bytesOf(g.name))
		r.key = appendName(r.key, t.names.bytesOf(t.terms.types.at(p.kind).name))
		cut := len(r.key)
		scratch = scratch[:0]
		for next := p.newest.Load(); next != 0; next = t.terms.postings.at(next - 1).older {
			scratch = append(scratch, next-1)
		}
		last := int64(-1)
		for _, at := range slices.Backward(scratch) {
			offset := t.terms.postings.at(at).offset
			if offset == last {
				continue // the event has the tag twice
			}
			last = offset
			r.key = binary.BigEndian.AppendUint64(r.key[:cut], uint64(offset))
			r.set(r.key, nil)
		}
	}
}

// sortedPairs returns the numbers of the pairs of a frozen tail in the order of their keys.
func (t *Tail) sortedPairs() []uint32 {
	return sorted(t.terms.pairs.len(), func(a, b uint32) int {
		x, y := t.terms.pairs.at(a), t.terms.pairs.at(b)
		if x.tag == y.tag {
			return bytes.Compare(t.typeName(x.kind), t.typeName(y.kind))
		}
		g, h := t.terms.tags.at(x.tag), t.terms.tags.at(y.tag)
		return cmp.Or(cmp.Compare(g.partition, h.partition), bytes.Compare(t.names.bytesOf(g.name), t.names.bytesOf(h.name)))
	})
}

// sortedTypes returns the numbers of the types of a frozen tail in the order of their keys.
func (t *Tail) sortedTypes() []uint32 {
	return sorted(t.terms.types.len(), func(a, b uint32) int {
		return cmp.Or(cmp.Compare(t.terms.types.at(a).partition, t.terms.types.at(b).partition), bytes.Compare(t.typeName(a), t.typeName(b)))
	})
}

func (t *Tail) typeName(number uint32) []byte { return t.names.bytesOf(t.terms.types.at(number).name) }

// sorted returns the numbers below n in an order.
func sorted(n int, order func(a, b uint32) int) []uint32 {
	numbers := make([]uint32, n)
	for i := range numbers {
		numbers[i] = uint32(i)
	}
	slices.SortFunc(numbers, order)
	return numbers
}
