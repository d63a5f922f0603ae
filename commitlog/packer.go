package commitlog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/eventid"
	"github.com/strandlog/strand/internal/partitioner"
	"github.com/strandlog/strand/internal/recordbatch"
	"github.com/strandlog/strand/internal/wire"
)

// packer checks appends and encodes them. It keeps its scratch memory from one to the next, so it belongs to one goroutine at a time.
type packer struct {
	append  wire.Append
	names   []byte // streams and command ids
	headers []byte
}

// packed is an append in the form in which it is sent. Nothing in it refers to the caller's memory. Its slices are filled again by the next pack.
type packed struct {
	body  []byte
	ids   []uuid.UUID // of all events, in order
	shard int
}

// pack checks a and encodes it into out, in a body of at most bytesMax. After an error out holds nothing of use.
func (p *packer) pack(t Topic, a Append, bytesMax int, out *packed) error {
	size, events, err := measure(a)
	switch {
	case err != nil:
		return err
	case size > bytesMax:
		return &TooLargeError{What: "append bytes", Size: size, Max: bytesMax}
	}
	out.ids = slices.Grow(out.ids[:0], events)
	defer p.forget()
	for i := range a.Writes {
		w := &a.Writes[i]
		partition := partitioner.Partition(w.Stream, len(t.Partitions))
		shard := wire.ShardOf(partition, t.Shards)
		switch {
		case i == 0:
			out.shard = shard
		case shard != out.shard:
			return &ShardsError{Topic: t.Name, Stream: a.Writes[0].Stream, Other: fmt.Sprintf("stream %q", w.Stream)}
		}
		to := p.nextWrite()
		to.Partition, to.Expected, to.Stream, to.CommandID = partition, w.Expected, p.name(w.Stream), p.name(w.CommandID)
		for j := range w.Events {
			e, err := p.event(&w.Events[j], w.CommandID)
			if err != nil {
				return err
			}
			out.ids = append(out.ids, e.ID)
			to.Events = append(to.Events, e)
		}
	}
	if err := CheckConditions(t, a, out.shard); err != nil {
		return err
	}
	for i := range a.Conditions {
		c := &a.Conditions[i]
		p.append.Conditions = append(p.append.Conditions, wire.Condition{Partition: c.Partition, After: c.After, Types: p.terms(c.Types), Tags: p.terms(c.Tags)})
	}
	out.body = p.append.Pack(slices.Grow(out.body[:0], size))
	if len(out.body) > bytesMax {
		return &TooLargeError{What: "append bytes", Size: len(out.body), Max: bytesMax}
	}
	return nil
}

// forget drops what refers to the caller's memory.
func (p *packer) forget() {
	for i := range p.append.Writes {
		clear(p.append.Writes[i].Events)
	}
	clear(p.append.Conditions)
	p.append.Writes, p.append.Conditions, p.names, p.headers = p.append.Writes[:0], p.append.Conditions[:0], p.names[:0], p.headers[:0]
}

// nextWrite adds a write without events, in the memory of an earlier one where there is some.
func (p *packer) nextWrite() *wire.Write {
	n := len(p.append.Writes)
	if n == cap(p.append.Writes) {
		p.append.Writes = append(p.append.Writes, wire.Write{})
	}
	p.append.Writes = p.append.Writes[:n+1]
	w := &p.append.Writes[n]
	*w = wire.Write{Events: w.Events[:0]}
	return w
}

// name keeps a name as bytes. They stay where they are when names moves on to larger memory.
func (p *packer) name(s string) []byte {
	start := len(p.names)
	p.names = append(p.names, s...)
	return p.names[start:len(p.names):len(p.names)]
}

func (p *packer) terms(terms []string) [][]byte {
	if len(terms) == 0 {
		return nil
	}
	names := make([][]byte, len(terms))
	for i, term := range terms {
		names[i] = p.name(term)
	}
	return names
}

func (p *packer) event(r *NewRecord, commandID string) (wire.Event, error) {
	e := wire.Event{ID: r.ID, Value: r.Value}
	if e.ID == uuid.Nil {
		e.ID = eventid.New()
	}
	start := len(p.headers)
	for _, h := range r.Headers {
		switch h.Key {
		case wire.HeaderID, wire.HeaderVersion, wire.HeaderProducer:
			return e, &NameError{What: "header key", Name: h.Key, Reason: "the broker writes it: choose another"}
		case wire.HeaderCommandID: // the broker writes it, too
			if string(h.Value) != commandID {
				return e, &NameError{What: "header key", Name: h.Key, Reason: fmt.Sprintf("it says %q where the write's CommandID is %q: set CommandID alone", h.Value, commandID)}
			}
			continue
		}
		p.headers = recordbatch.AppendHeader(p.headers, h.Key, h.Value)
		e.HeaderCount++
	}
	e.Headers = p.headers[start:len(p.headers):len(p.headers)]
	if len(e.Headers) > wire.HeadersBytesMax {
		return e, &TooLargeError{What: "header bytes of one record", Size: len(e.Headers), Max: wire.HeadersBytesMax}
	}
	return e, nil
}

// eventOverhead is about what an event takes beyond its headers and its value.
const eventOverhead = 16 + 3*binary.MaxVarintLen16

// measure checks names, counts and sizes and estimates the encoded size, from above but for very long headers, before anything is copied.
func measure(a Append) (size, events int, err error) {
	switch {
	case len(a.Writes) == 0:
		return 0, 0, &InvalidError{Reason: "an append holds at least one write"}
	case len(a.Writes) > wire.WritesMax:
		return 0, 0, &TooLargeError{What: "writes", Size: len(a.Writes), Max: wire.WritesMax}
	}
	size = 16
	stored := 0 // as the sequencer stores it: names are repeated on each record
	for i := range a.Writes {
		w := &a.Writes[i]
		if err := checkWrite(a, i); err != nil {
			return 0, 0, err
		}
		if events += len(w.Events); events > wire.EventsMax {
			return 0, 0, &TooLargeError{What: "events", Size: events, Max: wire.EventsMax}
		}
		size += 32 + len(w.Stream) + len(w.CommandID)
		stored += len(w.Events) * (wire.RecordOverhead + len(w.Stream) + len(w.CommandID))
		for j := range w.Events {
			n, err := measureEvent(&w.Events[j])
			if err != nil {
				return 0, 0, err
			}
			size += n
			stored += n
		}
	}
	for i := range a.Conditions {
		size += 16
		for _, terms := range [...][]string{a.Conditions[i].Types, a.Conditions[i].Tags} {
			for _, term := range terms {
				size += 2 + len(term)
			}
		}
	}
	if stored > wire.StoredBytesMax {
		return 0, 0, &TooLargeError{What: "bytes with the names stored beside each event", Size: stored, Max: wire.StoredBytesMax}
	}
	return size, events, nil
}

func checkWrite(a Append, i int) error {
	w := &a.Writes[i]
	if err := CheckStream(w.Stream); err != nil {
		return err
	}
	for j := range i {
		if a.Writes[j].Stream == w.Stream {
			return &InvalidError{Reason: fmt.Sprintf("stream %q is written twice in one append: join the two writes", w.Stream)}
		}
	}
	switch {
	case len(w.Events) == 0:
		return &InvalidError{Reason: fmt.Sprintf("nothing to append to stream %q", w.Stream)}
	case w.Expected < StreamExists:
		return &InvalidError{Reason: fmt.Sprintf("expected version %d of stream %q: use a version, NoStream, Any or StreamExists", w.Expected, w.Stream)}
	case w.CommandID == "":
		return nil
	case len(a.Writes) > 1:
		return &InvalidError{Reason: fmt.Sprintf("command id %q: it belongs to an append of one write, this one has %d", w.CommandID, len(a.Writes))}
	}
	return checkName("command id", w.CommandID, wire.CommandBytesMax)
}

func measureEvent(r *NewRecord) (int, error) {
	if len(r.Value) > wire.RecordBytesMax {
		return 0, &TooLargeError{What: "value bytes", Size: len(r.Value), Max: wire.RecordBytesMax}
	}
	headers := 0
	for _, h := range r.Headers {
		headers += len(h.Key) + len(h.Value) + 2
		if headers > wire.HeadersBytesMax {
			return 0, &TooLargeError{What: "header bytes of one record", Size: headers, Max: wire.HeadersBytesMax}
		}
	}
	if err := CheckHeaders(r.Headers); err != nil {
		return 0, err
	}
	return eventOverhead + headers + 4*len(r.Headers) + len(r.Value), nil
}
