package index

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"sync/atomic"

	"github.com/strandlog/strand/brokerd/segment"
)

// Tail holds the entries that are newer than the database, in RAM: about 120 bytes for an event of a new stream, 70 for another of the same,
// and 25 to 120 for each of its tags.
//
// One goroutine adds while any number read, without locks. A lookup that begins after Add returned sees its entry.
// What is published never changes, except for cells that only the writer stores and that are atomic: the slots of the hash tables,
// the newest row of a stream, the count of a command and what is newest of a type, a tag and a pair of them. All that a cell leads to is complete before the cell is stored.
//
// Apart from the headers of its chunks a tail holds no pointers, so the garbage collector need not look into it.
type Tail struct {
	seed     maphash.Seed
	names    arena
	rows     chunks[row]
	streams  chunks[tailStream]
	commands chunks[tailCommand]

	byStream  hashTable // → number in streams
	byCommand hashTable // → number in commands

	terms tailTerms

	count  atomic.Int64
	frozen atomic.Bool
}

// row is one entry.
type row struct {
	version   int64
	offset    int64
	timestamp int64
	place     segment.Place
	len       uint32
	sum       uint32
	older     uint32 // the row before it of the same stream, plus 1; 0 = none
}

func (r *row) pointer() Pointer {
	return Pointer{Offset: r.offset, Timestamp: r.timestamp, Place: r.place, Len: r.len, Sum: r.sum}
}

// tailStream is a stream that has rows.
type tailStream struct {
	partition int32
	name      nameRef
	command   uint32        // its newest command, plus 1; 0 = none; for the writer, and for Apply
	newest    atomic.Uint32 // row
}

// tailCommand is one use of a command id: rows of one stream in direct succession.
type tailCommand struct {
	first  int64 // version
	stream uint32
	id     nameRef
	older  uint32 // the command before it of the same stream, plus 1; 0 = none
	count  atomic.Uint32
}

// The errors of Add. An entry that was refused has left no trace.
var (
	ErrFrozen = errors.New("tail is frozen; add to the one that follows it")
	ErrEntry  = errors.New("entry cannot be indexed")
)

const tailLenMax = 4 << 20 // entries: then their names fit in the 4 GiB that an arena numbers

// NewTail returns an empty tail.
func NewTail() *Tail { return &Tail{seed: maphash.MakeSeed()} }

// Len is the number of entries.
func (t *Tail) Len() int { return int(t.count.Load()) }

// Bytes is the memory that the tail holds.
func (t *Tail) Bytes() int {
	return t.names.bytes() + t.rows.bytes() + t.streams.bytes() + t.commands.bytes() + t.byStream.bytes() + t.byCommand.bytes() + t.terms.bytes()
}

// Freeze ends the adding. Lookups go on.
func (t *Tail) Freeze() { t.frozen.Store(true) }

// Add takes in an entry. It fails only on a tail that is frozen or full, and on an entry that contradicts itself or the one before it
// in its stream; it is ErrFrozen or ErrEntry.
func (t *Tail) Add(e Entry) error {
	if t.frozen.Load() {
		return ErrFrozen
	}
	if err := e.check(); err != nil {
		return err
	}
	if t.rows.len() >= tailLenMax {
		return fmt.Errorf("%w: the tail is full with %d entries", ErrEntry, t.rows.len())
	}
	hash := t.hashStream(e.Partition, e.Stream)
	id, known := t.findStream(hash, e.Partition, e.Stream)
	var older uint32
	if known {
		newest := t.streams.at(id).newest.Load()
		if last := t.rows.at(newest).version; e.Version <= last {
			return fmt.Errorf("%w: version %d of stream %q follows version %d", ErrEntry, e.Version, e.Stream, last)
		}
		older = newest + 1
	}
	number, r := t.rows.grow()
	*r = row{version: e.Version, offset: e.Offset, timestamp: e.Timestamp, place: e.Place, len: e.Len, sum: e.Sum, older: older}
	if known {
		t.streams.at(id).newest.Store(number)
	} else {
		var s *tailStream
		id, s = t.streams.grow()
		s.partition, s.name = e.Partition, t.names.add(e.Stream)
		s.newest.Store(number)
		t.byStream.put(hash, id)
	}
	if e.CommandID != "" {
		t.addCommand(id, e.CommandID, e.Version)
	}
	t.addTerms(&e)
	t.count.Add(1)
	return nil
}

func (t *Tail) addCommand(stream uint32, id string, version int64) {
	hash := t.hashCommand(stream, id)
	last, known := t.findCommand(hash, stream, id)
	if known {
		if c := t.commands.at(last); version == c.first+int64(c.count.Load()) {
			c.count.Add(1)
			return
		}
	}
	s := t.streams.at(stream)
	number, c := t.commands.grow()
	c.first, c.stream, c.older = version, stream, s.command
	c.count.Store(1)
	s.command = number + 1
	if known {
		c.id = t.commands.at(last).id
		t.byCommand.replace(hash, last, number)
	} else {
		c.id = t.names.add(id)
		t.byCommand.put(hash, number)
	}
}

// Head returns the newest version of a stream in the tail, 0 when it has none.
func (t *Tail) Head(partition int32, stream string) int64 {
	id, ok := t.findStream(t.hashStream(partition, stream), partition, stream)
	if !ok {
		return 0
	}
	return t.rows.at(t.streams.at(id).newest.Load()).version
}

// Stream calls fn for each event of a stream in the tail from a version on, ascending, until fn returns false.
func (t *Tail) Stream(partition int32, stream string, from int64, fn func(version int64, p Pointer) bool) {
	id, ok := t.findStream(t.hashStream(partition, stream), partition, stream)
	if !ok {
		return
	}
	var few [64]uint32
	for _, number := range slices.Backward(t.collect(few[:0], id, from)) {
		r := t.rows.at(number)
		if !fn(r.version, r.pointer()) {
			return
		}
	}
}

// collect appends the rows of a stream from a version on, newest first.
func (t *Tail) collect(dst []uint32, stream uint32, from int64) []uint32 {
	for next := t.streams.at(stream).newest.Load() + 1; next != 0; {
		r := t.rows.at(next - 1)
		if r.version < from {
			break
		}
		dst = append(dst, next-1)
		next = r.older
	}
	return dst
}

// Command returns the versions that a stream holds under a command id: count of them from first on. Only the newest use of the id counts.
func (t *Tail) Command(partition int32, stream, id string) (first int64, count int, ok bool) {
	sid, ok := t.findStream(t.hashStream(partition, stream), partition, stream)
	if !ok {
		return 0, 0, false
	}
	slot, ok := t.findCommand(t.hashCommand(sid, id), sid, id)
	if !ok {
		return 0, 0, false
	}
	c := t.commands.at(slot)
	return c.first, int(c.count.Load()), true
}

func (t *Tail) hashStream(partition int32, stream string) uint32 {
	return foldHash(maphash.String(t.seed, stream), uint32(partition))
}

func (t *Tail) hashCommand(stream uint32, id string) uint32 {
	return foldHash(maphash.String(t.seed, id), stream)
}

// foldHash mixes a number into a hash that is good already.
func foldHash(hash uint64, n uint32) uint32 {
	return uint32(hash>>32) ^ uint32(hash) ^ n*0x9e3779b1
}

func (t *Tail) findStream(hash uint32, partition int32, stream string) (uint32, bool) {
	return t.byStream.find(hash, func(id uint32) bool {
		s := t.streams.at(id)
		return s.partition == partition && t.names.is(s.name, stream)
	})
}

func (t *Tail) findCommand(hash, stream uint32, id string) (uint32, bool) {
	return t.byCommand.find(hash, func(number uint32) bool {
		c := t.commands.at(number)
		return c.stream == stream && t.names.is(c.id, id)
	})
}
