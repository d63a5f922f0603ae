package shard

import (
	"encoding/binary"
	"fmt"

	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
	"github.com/zeebo/xxh3"
)

// check refuses an append that no state of the log could admit.
func (c *Core) check(a *Append) (wire.AppendResult, bool) {
	if r, ok := c.checkConditions(a); !ok {
		return r, false
	}
	if len(a.Writes) > 0 && c.cfg.Kind != wire.KindVersioned {
		return invalid(0, fmt.Sprintf("the topic is a %s one: send record batches with a producer, only versioned topics take appends", c.cfg.Kind)), false
	}
	if a.Since > c.state.Epoch {
		return invalid(0, fmt.Sprintf("it was sent since epoch %d, which is yet to come: this is epoch %d", a.Since, c.state.Epoch)), false
	}
	if a.Since == 0 {
		a.Since = c.state.Epoch // if it was sent before, then to this session
	}
	if a.Batch != nil {
		return c.checkBatch(a)
	}
	if len(a.Writes) > 0 && (a.Producer == 0 || a.Sequence == 0) {
		return invalid(0, "producers and sequences count from 1"), false
	}
	for i := range a.Writes {
		w := &a.Writes[i]
		switch slot, ok := c.cfg.Layout.Slot(w.Partition); {
		case len(w.Stream) == 0 || len(w.Stream) > wire.StreamBytesMax:
			return invalid(i, fmt.Sprintf("a stream name has 1 to %d bytes, this one %d", wire.StreamBytesMax, len(w.Stream))), false
		case len(w.Events) == 0:
			return invalid(i, fmt.Sprintf("nothing to append to stream %q", w.Stream)), false
		case !ok || slot >= len(c.state.Next):
			return invalid(i, fmt.Sprintf("partition %d is not served by shard %d of %d", w.Partition, c.cfg.Layout.Shard, c.cfg.Layout.Shards)), false
		case partitioner.PartitionBytes(w.Stream, c.cfg.Layout.Partitions) != w.Partition:
			return invalid(i, fmt.Sprintf("stream %q does not belong to partition %d", w.Stream, w.Partition)), false
		case w.Expected < wire.StreamExists:
			return invalid(i, fmt.Sprintf("expected version %d of stream %q is none", w.Expected, w.Stream)), false
		case len(w.CommandID) > 0 && len(a.Writes) > 1:
			return invalid(i, "a command id belongs to an append of one write"), false
		}
		for j := range w.Events {
			if err := checkHeaders(&w.Events[j]); err != nil {
				return invalid(i, fmt.Sprintf("event %d of stream %q: %v", j, w.Stream, err)), false
			}
		}
		for j := range i {
			if string(a.Writes[j].Stream) == string(w.Stream) {
				return invalid(i, fmt.Sprintf("stream %q is written twice in one append: join the two writes", w.Stream)), false
			}
		}
	}
	if a.measure(); a.bytes > wire.StoredBytesMax {
		return wire.AppendResult{Code: wire.TooLarge, Detail: fmt.Sprintf("the append takes up to %d bytes once stored, at most %d are possible: split it", a.bytes, wire.StoredBytesMax)}, false
	}
	return wire.AppendResult{}, true
}

// checkHeaders refuses headers that cannot be read back, and those that only the sequencer may write: what is in the log is believed.
func checkHeaders(e *wire.Event) error {
	h, err := recordbatch.ParseHeaders(e.Headers, e.HeaderCount)
	if err != nil {
		return err
	}
	tags := 0
	for key, value := range h.All() {
		switch string(key) {
		case wire.HeaderID, wire.HeaderVersion, wire.HeaderProducer, wire.HeaderCommandID:
			return fmt.Errorf("the header %q is the sequencer's own", key)
		case wire.HeaderTag:
			tags++
			err = checkTerm(wire.HeaderTag, value)
		case wire.HeaderType:
			err = checkTerm(wire.HeaderType, value)
		}
		if err != nil {
			return err
		}
	}
	if tags > wire.TermsMax {
		return fmt.Errorf("%d tags: at most %d are possible", tags, wire.TermsMax)
	}
	return nil
}

func invalid(write int, detail string) wire.AppendResult {
	return wire.AppendResult{Code: wire.Invalid, Write: write, Detail: detail}
}

// recordOverhead bounds what a record takes beyond its stream name, headers, value and command id: lengths, deltas and the sequencer's own headers.
const recordOverhead = wire.RecordOverhead

// measure takes the content hash of an append and an upper bound of its size in a frame.
func (a *Append) measure() {
	var h xxh3.Hasher
	var n [8]byte
	number := func(v uint64) {
		binary.LittleEndian.PutUint64(n[:], v)
		_, _ = h.Write(n[:])
	}
	text := func(b []byte) {
		number(uint64(len(b)))
		_, _ = h.Write(b)
	}
	a.bytes = 0
	for i := range a.Writes {
		w := &a.Writes[i]
		number(uint64(w.Expected))
		text(w.Stream)
		text(w.CommandID)
		number(uint64(len(w.Events)))
		for j := range w.Events {
			e := &w.Events[j]
			_, _ = h.Write(e.ID[:])
			text(e.Headers)
			text(e.Value)
			a.bytes += recordOverhead + len(w.Stream) + len(w.CommandID) + len(e.Headers) + len(e.Value)
		}
	}
	if len(a.Conditions) > 0 {
		number(noExpectation) // no write begins like this
	}
	for i := range a.Conditions {
		cond := &a.Conditions[i]
		number(uint64(cond.Partition))
		number(uint64(cond.After))
		for _, terms := range [...][][]byte{cond.Types, cond.Tags} {
			number(uint64(len(terms)))
			for _, term := range terms {
				text(term)
			}
		}
	}
	a.hash = h.Sum64()
}

// noExpectation stands where a write's expected version would, and is none.
const noExpectation = 1 << 63
