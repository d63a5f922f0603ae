package index

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// tailTerms is what a tail knows of types and tags. An event has one type and any number of tags; for each of its tags there is a posting in
// the list of that tag and that type, newest first. An event without tags costs the newest offset of its type and nothing else.
type tailTerms struct {
	types    chunks[tailType]
	tags     chunks[tailTag]
	pairs    chunks[tailPair]
	postings chunks[posting]

	byType hashTable // → number in types
	byTag  hashTable // → number in tags
	byPair hashTable // → number in pairs

	last    uint32   // the type of the newest entry; the writer's
	scratch []uint32 // the writer's
}

// tailType is an event type of a partition.
type tailType struct {
	partition int32
	name      nameRef
	newest    atomic.Int64 // offset
}

// tailTag is a tag of a partition.
type tailTag struct {
	partition int32
	name      nameRef
	pair      atomic.Uint32 // the newest pair that it is in, plus 1; 0 = none
}

// tailPair is a tag and a type that some events have both.
type tailPair struct {
	tag, kind uint32
	older     uint32        // the pair before it of the same tag, plus 1; 0 = none
	newest    atomic.Uint32 // posting, plus 1; 0 = none
	count     atomic.Uint32 // postings
}

// posting says that an event is in a pair. Those of one event stand next to each other: count of them from first on.
type posting struct {
	offset       int64
	first, count uint32
	pair         uint32
	older        uint32 // the posting before it of the same pair, plus 1; 0 = none
}

func (t *tailTerms) bytes() int {
	return t.types.bytes() + t.tags.bytes() + t.pairs.bytes() + t.postings.bytes() + t.byType.bytes() + t.byTag.bytes() + t.byPair.bytes()
}

// addTerms notes the type and the tags of an entry.
func (t *Tail) addTerms(e *Entry) {
	kind := t.addType(e)
	if len(e.Tags) == 0 {
		return
	}
	// Postings first: a reader that comes by way of one tag looks at those of the others.
	pairs := t.terms.scratch[:0]
	for _, tag := range e.Tags {
		pairs = append(pairs, t.addPair(t.addTag(e.Partition, tag), kind))
	}
	t.terms.scratch = pairs
	first := uint32(t.terms.postings.len())
	for _, pair := range pairs {
		_, p := t.terms.postings.grow()
		*p = posting{offset: e.Offset, first: first, count: uint32(len(pairs)), pair: pair, older: t.terms.pairs.at(pair).newest.Load()}
	}
	for i, pair := range pairs {
		p := t.terms.pairs.at(pair)
		p.newest.Store(first + uint32(i) + 1)
		p.count.Add(1)
	}
}

func (t *Tail) addType(e *Entry) uint32 {
	if t.terms.types.len() > 0 { // most events are of the type of the one before
		if last := t.terms.types.at(t.terms.last); last.partition == e.Partition && t.names.isBytes(last.name, e.Type) {
			last.newest.Store(e.Offset)
			return t.terms.last
		}
	}
	hash := t.hashTerm(e.Partition, e.Type)
	kind, known := t.findType(hash, e.Partition, e.Type)
	if known {
		t.terms.types.at(kind).newest.Store(e.Offset)
	} else {
		var k *tailType
		kind, k = t.terms.types.grow()
		k.partition, k.name = e.Partition, t.names.add(string(e.Type))
		k.newest.Store(e.Offset)
		t.terms.byType.put(hash, kind)
	}
	t.terms.last = kind
	return kind
}

func (t *Tail) addTag(partition int32, name []byte) uint32 {
	hash := t.hashTerm(partition, name)
	tag, known := t.findTag(hash, partition, name)
	if !known {
		var g *tailTag
		tag, g = t.terms.tags.grow()
		g.partition, g.name = partition, t.names.add(string(name))
		t.terms.byTag.put(hash, tag)
	}
	return tag
}

func (t *Tail) addPair(tag, kind uint32) uint32 {
	pair, known := t.findPair(tag, kind)
	if !known {
		g := t.terms.tags.at(tag)
		var p *tailPair
		pair, p = t.terms.pairs.grow()
		p.tag, p.kind, p.older = tag, kind, g.pair.Load()
		t.terms.byPair.put(hashPair(tag, kind), pair)
		g.pair.Store(pair + 1)
	}
	return pair
}

// Find returns the offset of an event in the tail that a query asks for. Error: ErrQuery, ErrBroad.
func (t *Tail) Find(q Query, spent *Steps) (offset int64, found bool, err error) {
	if err := q.check(); err != nil {
		return 0, false, err
	}
	if len(q.Tags) == 0 {
		for _, name := range q.Types {
			if err := spent.take(); err != nil {
				return 0, false, err
			}
			if kind, ok := t.findType(t.hashTerm(q.Partition, name), q.Partition, name); ok {
				if newest := t.terms.types.at(kind).newest.Load(); newest >= q.After {
					return newest, true, nil
				}
			}
		}
		return 0, false, nil
	}
	var few [8]uint32
	tags := few[:0]
	for _, name := range q.Tags {
		tag, ok := t.findTag(t.hashTerm(q.Partition, name), q.Partition, name)
		if !ok {
			return 0, false, nil
		}
		tags = append(tags, tag)
	}
	for _, name := range q.Types {
		if err := spent.take(); err != nil {
			return 0, false, err
		}
		kind, ok := t.findType(t.hashTerm(q.Partition, name), q.Partition, name)
		if !ok {
			continue
		}
		if offset, found, err = t.findAll(tags, kind, q.After, spent); found || err != nil {
			return offset, found, err
		}
	}
	if len(q.Types) > 0 {
		return 0, false, nil
	}
	for next := t.terms.tags.at(tags[0]).pair.Load(); next != 0; {
		if err := spent.take(); err != nil {
			return 0, false, err
		}
		pair := t.terms.pairs.at(next - 1)
		if offset, found, err = t.findAll(tags, pair.kind, q.After, spent); found || err != nil {
			return offset, found, err
		}
		next = pair.older
	}
	return 0, false, nil
}

// findAll finds an event of a type with all of the tags. It goes through the shortest list of theirs, newest event first.
func (t *Tail) findAll(tags []uint32, kind uint32, after int64, spent *Steps) (int64, bool, error) {
	var shortest *tailPair
	for _, tag := range tags {
		number, ok := t.findPair(tag, kind)
		if !ok {
			return 0, false, nil
		}
		if pair := t.terms.pairs.at(number); shortest == nil || pair.count.Load() < shortest.count.Load() {
			shortest = pair
		}
	}
	for next := shortest.newest.Load(); next != 0; {
		p := t.terms.postings.at(next - 1)
		if p.offset < after {
			break
		}
		if t.hasAll(p, tags) {
			return p.offset, true, nil
		}
		if err := spent.take(); err != nil {
			return 0, false, err
		}
		next = p.older
	}
	return 0, false, nil
}

// hasAll says whether the event of a posting has all of the tags.
func (t *Tail) hasAll(p *posting, tags []uint32) bool {
	for _, tag := range tags {
		has := false
		for i := p.first; i < p.first+p.count && !has; i++ {
			has = t.terms.pairs.at(t.terms.postings.at(i).pair).tag == tag
		}
		if !has {
			return false
		}
	}
	return true
}

func (t *Tail) hashTerm(partition int32, name []byte) uint32 {
	return foldHash(maphash.Bytes(t.seed, name), uint32(partition))
}

func hashPair(tag, kind uint32) uint32 {
	return uint32((uint64(tag)<<32 | uint64(kind)) * 0x9e3779b97f4a7c15 >> 32)
}

func (t *Tail) findType(hash uint32, partition int32, name []byte) (uint32, bool) {
	return t.terms.byType.find(hash, func(number uint32) bool {
		k := t.terms.types.at(number)
		return k.partition == partition && t.names.isBytes(k.name, name)
	})
}

func (t *Tail) findTag(hash uint32, partition int32, name []byte) (uint32, bool) {
	return t.terms.byTag.find(hash, func(number uint32) bool {
		g := t.terms.tags.at(number)
		return g.partition == partition && t.names.isBytes(g.name, name)
	})
}

func (t *Tail) findPair(tag, kind uint32) (uint32, bool) {
	return t.terms.byPair.find(hashPair(tag, kind), func(number uint32) bool {
		p := t.terms.pairs.at(number)
		return p.tag == tag && p.kind == kind
	})
}

func (a *arena) isBytes(ref nameRef, name []byte) bool { return bytes.Equal(a.bytesOf(ref), name) }
