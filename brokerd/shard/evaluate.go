package shard

import (
	"fmt"
	"slices"
	"time"

	"github.com/strandlog/strand/internal/wire"
)

// build evaluates queued appends in arrival order, packs those that hold into one frame and publishes it. Answers that rest on the frame,
// or that need a commit begun after their arrival, are attached to it; when there are only such answers the frame is empty.
func (c *Core) build(now time.Time) error {
	f := &flight{frame: Frame{
		Kind: KindData, LogID: c.cfg.LogID, Epoch: c.spec.Epoch, Session: c.session,
		Seq: c.spec.Seq + 1, Prev: c.spec.Sum, Time: max(c.spec.Time, now.UnixMilli()),
	}}
	c.frames.reset(&c.spec, f.frame.Time)
	for len(c.queue) > 0 {
		a := c.queue[0]
		if a.Starts != nil {
			break
		}
		if c.frames.size > 0 && c.frames.size+a.bytes > c.cfg.FrameBytesMax {
			break
		}
		c.queue[0], c.queue = nil, c.queue[1:]
		if err := c.evaluate(a, f); err != nil {
			f.attach(a, wire.AppendResult{Code: wire.Retry})
			c.answer(f, wire.AppendResult{Code: wire.Retry, Detail: "not published: the shard stops"})
			return c.stop(fmt.Errorf("evaluating an append: %w", err))
		}
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
	if len(f.replies) == 0 {
		return nil
	}
	f.frame.Entries = c.frames.entries(f.frame.Entries)
	c.send(f)
	c.frames.trim()
	return nil
}

// evaluate decides one append against the window and the committed state. It is answered at once, attached to a frame in flight,
// or taken into the frame that is being built.
func (c *Core) evaluate(a *Append, f *flight) error {
	switch {
	case a.Batch != nil:
		return c.evaluateBatch(a, f)
	case len(a.Writes) == 0:
		f.attach(a, wire.AppendResult{Code: wire.OK})
		return nil
	}
	if c.repeated(a, f) {
		return nil
	}
	if len(a.Writes) == 1 && len(a.Writes[0].CommandID) > 0 {
		done, err := c.commanded(a, f)
		if done || err != nil {
			return err
		}
	}
	for i := range a.Writes {
		refused, err := c.refused(a, i, f)
		if refused || err != nil {
			return err
		}
	}
	// After the versions: a guarded append that was stored before has found its own events by now, and is not ruled out by them.
	if out, err := c.ruledOut(a, f); out || err != nil {
		return err
	}
	return c.take(a, f)
}

// guarded says whether every write of an append names the version it follows. Such an append can be stored once at most, whatever is known of its
// sequence: whichever attempt comes second meets a version that has moved on, and finds its own events there.
func guarded(a *Append) bool {
	return a.Batch == nil && !slices.ContainsFunc(a.Writes, func(w wire.Write) bool { return w.Expected < wire.NoStream })
}

// repeated answers an append whose sequence is in the log or in flight already, or of which nobody can tell whether it is.
func (c *Core) repeated(a *Append, f *flight) bool {
	writes, known := c.producers.lookup(a.Producer, a.Sequence, a.Since)
	if known == wasStored {
		c.reply(a, original(writes, a.hash))
		return true
	}
	if first, ok := c.overlay.sequences[producerSequence{a.Producer, a.Sequence}]; ok {
		r := first.result
		r.Duplicate = true
		if first.hash != a.hash {
			r = idReuse(a.Sequence)
		}
		c.attach(first.seq, f, a, r)
		return true
	}
	if known != forgotten || guarded(a) {
		return false
	}
	c.reply(a, wire.AppendResult{Code: wire.Unknown, Detail: fmt.Sprintf("sequence %d was sent since epoch %d: it may have been stored, and forgotten", a.Sequence, a.Since)})
	return true
}

func idReuse(sequence uint64) wire.AppendResult {
	return wire.AppendResult{Code: wire.IDReuse, Detail: fmt.Sprintf("sequence %d was used before for other content", sequence)}
}

// original rebuilds the answer to an append from what the log says of it.
func original(writes []stored, hash uint64) wire.AppendResult {
	if writes[0].hash != hash {
		return idReuse(writes[0].sequence)
	}
	r := wire.AppendResult{Code: wire.OK, Duplicate: true, Timestamp: writes[0].timestamp}
	for _, w := range writes {
		r.Writes = append(r.Writes, wire.WriteResult{Partition: w.partition, Count: w.count, FirstOffset: w.firstOffset, FirstVersion: w.firstVersion})
	}
	return r
}

// commanded answers an append whose command id its stream has seen.
func (c *Core) commanded(a *Append, f *flight) (bool, error) {
	w := &a.Writes[0]
	if first, ok := c.overlay.commands[commandKey{string(w.Stream), string(w.CommandID)}]; ok {
		r := first.result
		r.Duplicate = true
		c.attach(first.seq, f, a, r)
		return true, nil
	}
	at, ok, err := c.mat.Command(w.Partition, w.Stream, w.CommandID)
	if err != nil || !ok {
		return false, err
	}
	c.reply(a, wire.AppendResult{Code: wire.OK, Duplicate: true, Timestamp: at.Timestamp, Writes: []wire.WriteResult{{
		Partition: w.Partition, Count: int32(at.Count), FirstOffset: at.FirstOffset, FirstVersion: at.FirstVersion,
	}}})
	return true, nil
}

// refused checks what the i-th write expects and answers the append when it does not hold.
func (c *Core) refused(a *Append, i int, f *flight) (bool, error) {
	w := &a.Writes[i]
	committed, version, seq, err := c.head(w)
	if err != nil {
		return false, err
	}
	switch {
	case w.Expected == wire.Any, w.Expected == wire.StreamExists && version > 0, int64(w.Expected) == version:
		return false, nil
	case w.Expected == wire.StreamExists, int64(w.Expected) > version:
		// The stream is shorter than expected. Another sequencer may know better: only a commit of this epoch, begun from here on, proves it.
		f.attach(a, conflict(i, version))
		return true, nil
	}
	own, dependsOn, err := c.ownEvents(a)
	if err != nil {
		return false, err
	}
	r := conflict(i, version)
	if own.Code == wire.OK {
		r = own
		seq = dependsOn
	} else if committed > int64(w.Expected) { // final whatever becomes of the window, so it tells of nothing in it
		r, seq = conflict(i, committed), 0
	}
	c.attachOrReply(seq, f, a, r)
	return true, nil
}

func conflict(write int, actual int64) wire.AppendResult {
	return wire.AppendResult{Code: wire.Conflict, Write: write, Actual: actual}
}

// ownEvents looks for the very events of a guarded append behind the versions it expects: then it was stored before, whoever sent it.
// The second result is the frame in flight that the answer rests on, 0 when it is all committed.
func (c *Core) ownEvents(a *Append) (wire.AppendResult, uint64, error) {
	if !guarded(a) {
		return wire.AppendResult{Code: wire.Conflict}, 0, nil
	}
	r := wire.AppendResult{Code: wire.OK, Duplicate: true}
	var seq uint64
	for i := range a.Writes {
		w := &a.Writes[i]
		events, s, err := c.eventsFrom(w, int64(w.Expected)+1, len(w.Events))
		if err != nil {
			return r, 0, err
		}
		if len(events) < len(w.Events) {
			return wire.AppendResult{Code: wire.Conflict}, 0, nil
		}
		for j, e := range events {
			if e.ID != w.Events[j].ID {
				return wire.AppendResult{Code: wire.Conflict}, 0, nil
			}
		}
		seq = max(seq, s)
		r.Timestamp = events[0].Timestamp
		r.Writes = append(r.Writes, wire.WriteResult{
			Partition: w.Partition, Count: int32(len(events)), FirstOffset: events[0].Offset, FirstVersion: int64(w.Expected) + 1,
		})
	}
	return r, seq, nil
}

// eventsFrom lists up to n events of a write's stream, committed ones first, then those in flight.
func (c *Core) eventsFrom(w *wire.Write, from int64, n int) ([]StoredEvent, uint64, error) {
	h := c.overlay.heads[string(w.Stream)]
	if h == nil {
		events, err := c.mat.Events(w.Partition, w.Stream, from, n)
		return events, 0, err
	}
	var events []StoredEvent
	if from <= h.base {
		var err error
		if events, err = c.mat.Events(w.Partition, w.Stream, from, int(min(int64(n), h.base-from+1))); err != nil {
			return nil, 0, err
		}
	}
	missing := n - len(events)
	if missing == 0 {
		return events, 0, nil
	}
	skip := max(from-h.base-1, 0)
	if skip < int64(len(h.events)) {
		inflight := h.events[skip:]
		events = append(events, inflight[:min(missing, len(inflight))]...)
	}
	return events, h.seq, nil
}

// head returns a stream's committed version, its version with the frames in flight, and the newest frame that touches it (0: none).
func (c *Core) head(w *wire.Write) (committed, version int64, seq uint64, err error) {
	if h := c.overlay.heads[string(w.Stream)]; h != nil {
		return h.base, h.version(), h.seq, nil
	}
	v, err := c.mat.Head(w.Partition, w.Stream)
	return v, v, 0, err
}

// take puts an append whose expectations hold into the frame.
func (c *Core) take(a *Append, f *flight) error {
	result := wire.AppendResult{Code: wire.OK, Timestamp: f.frame.Time, Writes: make([]wire.WriteResult, 0, len(a.Writes))}
	for i := range a.Writes {
		w := &a.Writes[i]
		h := c.overlay.heads[string(w.Stream)]
		if h == nil {
			base, err := c.mat.Head(w.Partition, w.Stream)
			if err != nil {
				return err
			}
			h = &inflightHead{base: base}
			c.overlay.heads[string(w.Stream)] = h
		}
		first := h.version() + 1
		offset := c.frames.add(a, i, first)
		for j := range w.Events {
			h.events = append(h.events, StoredEvent{ID: w.Events[j].ID, Offset: offset + int64(j), Timestamp: f.frame.Time})
			h.frames = append(h.frames, f.frame.Seq)
		}
		h.seq = f.frame.Seq
		result.Writes = append(result.Writes, wire.WriteResult{Partition: w.Partition, Count: int32(len(w.Events)), FirstOffset: offset, FirstVersion: first})
		f.heads = append(f.heads, Head{Partition: w.Partition, Stream: string(w.Stream), Version: h.version()})
		f.writes = append(f.writes, producerWrite{producer: a.Producer, stored: stored{
			sequence: a.Sequence, hash: a.hash, firstOffset: offset, firstVersion: first,
			partition: w.Partition, write: uint16(i), count: int32(len(w.Events)), timestamp: f.frame.Time,
		}})
	}
	inflight := inflightAppend{seq: f.frame.Seq, hash: a.hash, result: result}
	c.overlay.sequences[producerSequence{a.Producer, a.Sequence}] = inflight
	if len(a.Writes) == 1 && len(a.Writes[0].CommandID) > 0 {
		c.overlay.commands[commandKey{string(a.Writes[0].Stream), string(a.Writes[0].CommandID)}] = inflight
	}
	f.attach(a, result)
	c.stats.Appends++
	return nil
}

func (f *flight) attach(a *Append, r wire.AppendResult) {
	f.replies = append(f.replies, Reply{Append: a, Result: r})
}

// attachOrReply answers at once what rests on committed state, and with the frame in flight what rests on that.
func (c *Core) attachOrReply(seq uint64, f *flight, a *Append, r wire.AppendResult) {
	if seq == 0 {
		c.reply(a, r)
		return
	}
	c.attach(seq, f, a, r)
}

// attach lets an answer wait for the frame in flight at seq, which may be the one that is being built.
func (c *Core) attach(seq uint64, building *flight, a *Append, r wire.AppendResult) {
	for _, f := range c.window {
		if f.frame.Seq == seq {
			f.attach(a, r)
			return
		}
	}
	building.attach(a, r)
}
