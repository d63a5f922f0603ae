package index

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// run writes the table of one Apply.
type run struct {
	table
	key, value []byte // reused
}

func (r *run) watermark(w Watermark) {
	r.set(watermarkKey(), w.encode())
}

func (r *run) producers(rows iter.Seq2[uint64, []byte]) {
	if rows == nil {
		return
	}
	type producer struct {
		id  uint64
		row []byte
	}
	var all []producer
	for id, row := range rows {
		all = append(all, producer{id, row})
	}
	slices.SortStableFunc(all, func(a, b producer) int { return cmp.Compare(a.id, b.id) })
	for i, p := range all {
		if i+1 < len(all) && all[i+1].id == p.id {
			continue
		}
		if r.key = appendProducerKey(r.key[:0], p.id); p.row != nil {
			r.set(r.key, p.row)
		} else {
			r.delete(r.key)
		}
	}
}

func (r *run) tail(t *Tail) {
	if t == nil {
		return
	}
	t.Freeze()
	var scratch streamScratch
	for _, id := range t.sortedStreams() {
		r.stream(t, id, &scratch)
	}
	r.terms(t)
}

// streamScratch is memory that the streams of a run share.
type streamScratch struct {
	rows     []uint32
	commands []uint32
}

func (r *run) stream(t *Tail, id uint32, scratch *streamScratch) {
	s := t.streams.at(id)
	r.key = appendStream(r.key[:0], s.partition, string(t.names.bytesOf(s.name)))
	cut := len(r.key)

	r.value = appendHead(r.value[:0], t.rows.at(s.newest.Load()).version)
	r.set(append(r.key, suffixHead), r.value)

	scratch.rows = t.collect(scratch.rows[:0], id, 1)
	for _, number := range slices.Backward(scratch.rows) {
		row := t.rows.at(number)
		if row.len == 0 {
			continue
		}
		r.key = appendEventSuffix(r.key[:cut], row.version)
		r.value = appendPointer(r.value[:0], row.pointer())
		r.set(r.key, r.value)
	}

	scratch.commands = t.sortedCommands(scratch.commands[:0], s)
	for _, number := range scratch.commands {
		c := t.commands.at(number)
		r.key = append(append(r.key[:cut], suffixCommand), t.names.bytesOf(c.id)...)
		r.value = appendCommand(r.value[:0], c.first, int(c.count.Load()))
		r.set(r.key, r.value)
	}
}

// sortedStreams returns the numbers of the streams of a frozen tail in the order of their keys.
func (t *Tail) sortedStreams() []uint32 {
	return sorted(t.streams.len(), func(a, b uint32) int {
		x, y := t.streams.at(a), t.streams.at(b)
		if x.partition != y.partition {
			return cmp.Compare(x.partition, y.partition)
		}
		return bytes.Compare(t.names.bytesOf(x.name), t.names.bytesOf(y.name))
	})
}

// sortedCommands appends the commands of a stream of a frozen tail in the order of their ids, of each id the newest use.
func (t *Tail) sortedCommands(dst []uint32, s *tailStream) []uint32 {
	for next := s.command; next != 0; next = t.commands.at(next - 1).older {
		dst = append(dst, next-1)
	}
	id := func(number uint32) []byte { return t.names.bytesOf(t.commands.at(number).id) }
	slices.SortStableFunc(dst, func(a, b uint32) int { return bytes.Compare(id(a), id(b)) })
	return slices.CompactFunc(dst, func(a, b uint32) bool { return bytes.Equal(id(a), id(b)) })
}
