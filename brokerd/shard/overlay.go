package shard

import "github.com/strandlog/strand/internal/wire"

// overlay is what the frames in flight would change: it is consulted before the committed state and dropped when the window fails.
// A stream belongs to one partition for ever, so its name alone is the key.
type overlay struct {
	heads     map[string]*inflightHead
	sequences map[producerSequence]inflightAppend
	commands  map[commandKey]inflightAppend
	producers map[uint64]inflightNewest // highest sequence of each producer
	keys      map[string]inflightNewest // newest offset plus 1 of each key of a table topic
	terms     inflightTerms
}

// inflightNewest is a value that the newest frame in flight that touches it gave it.
type inflightNewest struct {
	value uint64
	seq   uint64
}

// inflightHead is a stream that frames in flight append to.
type inflightHead struct {
	base   int64         // committed version
	events []StoredEvent // versions base+1 and up
	frames []uint64      // the frame of each of them
	seq    uint64        // newest frame that touches the stream
}

func (h *inflightHead) version() int64 { return h.base + int64(len(h.events)) }

type producerSequence struct{ producer, sequence uint64 }

type commandKey struct{ stream, id string }

// inflightAppend is an append of a frame in flight and what it will be answered.
type inflightAppend struct {
	seq    uint64 // of the frame
	hash   uint64
	result wire.AppendResult
}

func newOverlay() overlay {
	return overlay{
		heads:     map[string]*inflightHead{},
		sequences: map[producerSequence]inflightAppend{},
		commands:  map[commandKey]inflightAppend{},
		producers: map[uint64]inflightNewest{},
		keys:      map[string]inflightNewest{},
		terms:     newInflightTerms(),
	}
}

func (o *overlay) clear() {
	clear(o.heads)
	clear(o.sequences)
	clear(o.commands)
	clear(o.producers)
	clear(o.keys)
	o.terms.reset()
}

// settle drops what the frame at seq and those before it changed: it is committed state now.
func (o *overlay) settle(seq uint64, empty bool) {
	if empty {
		o.clear()
		return
	}
	o.terms.reset()
	for k, h := range o.heads {
		if h.seq <= seq {
			delete(o.heads, k)
			continue
		}
		n := 0
		for n < len(h.frames) && h.frames[n] <= seq {
			n++
		}
		h.base, h.events, h.frames = h.base+int64(n), h.events[n:], h.frames[n:]
	}
	for k, a := range o.sequences {
		if a.seq <= seq {
			delete(o.sequences, k)
		}
	}
	for k, a := range o.commands {
		if a.seq <= seq {
			delete(o.commands, k)
		}
	}
	for k, n := range o.producers {
		if n.seq <= seq {
			delete(o.producers, k)
		}
	}
	for k, n := range o.keys {
		if n.seq <= seq {
			delete(o.keys, k)
		}
	}
}
