package commitlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// pending is an append on its way: it waits, or is in flight, until it has an outcome or its caller leaves. What it was made of never changes; the
// rest is guarded by its appender's lock. Once done has told, result and err may be read without it.
type pending struct {
	topic  string
	append Append // the caller's, for names; not to be used once it is abandoned
	packed
	done  chan struct{} // takes one value, by finish
	timer *time.Timer   // the caller's; stopped but while it waits

	producer *numbering
	sequence uint64 // 0: never part of a request

	tries
	inFlight bool

	due     time.Time // not before
	backoff backoff

	abandoned bool // the caller has left
	result    Appended
	err       error
}

// size is the room that the append takes in the queue.
func (p *pending) size() int64 { return int64(len(p.body)) }

// settle takes the broker's answer to a send and reports whether it is the outcome. If not, the append is to be sent again.
func (p *pending) settle(r *wire.AppendResult, epoch uint64) bool {
	switch r.Code {
	case wire.OK:
		if len(r.Writes) != len(p.append.Writes) {
			p.lost(fmt.Errorf("the broker answered %d of %d writes", len(r.Writes), len(p.append.Writes)))
			return false
		}
		p.result = p.appended(r, epoch)
		return true
	case wire.NotLeader:
		return false
	case wire.Retry:
		p.absent()
		return false
	case wire.Conflict:
		p.err = p.conflict(r)
		return true
	case wire.ConditionFailed:
		p.err = p.ruledOut(r)
		return true
	case wire.OffsetRange:
		p.err = p.beyondTheEnd(r)
		return true
	case wire.Overloaded, wire.NotEnoughSync:
		// The sends before may still have succeeded, and the next one may tell.
		if p.unknown != nil {
			return false
		}
		p.err = p.refused(r)
		return true
	case wire.TooLarge, wire.Invalid, wire.IDReuse, wire.UnknownTopic, wire.NoStorage:
		p.err = p.definite(p.refused(r))
		return true
	case wire.Corrupt, wire.LogDiverged:
		p.err = p.indefinite(p.refused(r))
		return true
	default:
		p.lost(refusal(r.Code, r.Detail))
		return false
	}
}

// conflict judges a version that did not hold. A version beyond the expected one stays beyond it. But one below may have been read before an earlier
// send arrives, or may grow and let that send in: then the truth is not known.
func (p *pending) conflict(r *wire.AppendResult) error {
	if r.Write >= len(p.append.Writes) {
		return p.indefinite(fmt.Errorf("the broker refused write %d of %d", r.Write, len(p.append.Writes)))
	}
	w := p.append.Writes[r.Write]
	err := &ConflictError{Topic: p.topic, Stream: w.Stream, Expected: w.Expected, Actual: r.Actual}
	if w.Expected >= NoStream && r.Actual > int64(w.Expected) {
		return err
	}
	return p.definite(err)
}

// ruledOut judges a condition that did not hold. The event that it rules out stays where it is, so no send before can be stored later; and one that
// was stored before was answered so: the broker looks for it first.
func (p *pending) ruledOut(r *wire.AppendResult) error {
	if r.Write >= len(p.append.Conditions) {
		return p.indefinite(fmt.Errorf("the broker refused condition %d of %d", r.Write, len(p.append.Conditions)))
	}
	return &ConditionError{Topic: p.topic, Index: r.Write, Condition: p.append.Conditions[r.Write].clone(), Offset: r.Actual}
}

// beyondTheEnd judges a condition that looks from beyond the end of its partition on. The end moves, so a send before may still get in.
func (p *pending) beyondTheEnd(r *wire.AppendResult) error {
	if r.Write >= len(p.append.Conditions) {
		return p.indefinite(fmt.Errorf("the broker refused condition %d of %d", r.Write, len(p.append.Conditions)))
	}
	c := p.append.Conditions[r.Write]
	return p.definite(&OffsetRangeError{Topic: p.topic, Partition: c.Partition, Offset: c.After, End: r.Actual})
}

// definite is err, which promises that nothing is stored, unless an earlier send may break the promise.
func (p *pending) definite(err error) error {
	if p.unknown == nil {
		return err
	}
	return p.indefinite(fmt.Errorf("%s, after an earlier try whose outcome is unknown: %w", err.Error(), p.unknown))
}

// refused is the error of a code that is its own outcome.
func (p *pending) refused(r *wire.AppendResult) error {
	stream := p.append.Writes[min(r.Write, len(p.append.Writes)-1)].Stream
	switch r.Code {
	case wire.Overloaded:
		return &OverloadedError{Topic: p.topic, Detail: "the broker's queue is full " + r.Detail}
	case wire.NotEnoughSync:
		return &ReplicasError{Topic: p.topic, Detail: r.Detail}
	case wire.NoStorage:
		return &StorageError{Topic: p.topic, Detail: r.Detail}
	case wire.TooLarge:
		return &TooLargeError{What: r.Detail}
	case wire.IDReuse:
		return &IDReuseError{Stream: stream, Detail: r.Detail}
	case wire.UnknownTopic:
		return &UnknownTopicError{Topic: p.topic}
	case wire.Corrupt:
		return &CorruptError{Topic: p.topic, Partition: -1, Offset: -1, Cause: errors.New(r.Detail)}
	case wire.LogDiverged:
		return &DivergedError{Topic: p.topic, Detail: r.Detail}
	default:
		return &InvalidError{Reason: fmt.Sprintf("append to stream %q: %s", stream, r.Detail)}
	}
}

func (p *pending) indefinite(cause error) error {
	return &IndefiniteError{Topic: p.topic, Stream: p.append.Writes[0].Stream, IDs: p.ids, Cause: cause}
}

// left is what the caller learns when it, or the client, stops trying for a reason that promises nothing about the append.
func (p *pending) left(reason error) error {
	switch {
	case p.inFlight:
		return p.indefinite(reason)
	case p.unknown != nil:
		return p.indefinite(fmt.Errorf("%w, after an earlier try: %w", reason, p.unknown))
	}
	return reason
}

func (p *pending) finish() { p.done <- struct{}{} }

// newPending takes a pending that an append before has left, or makes one.
func (c *Client) newPending() *pending {
	if p, ok := c.pendings.Get().(*pending); ok {
		return p
	}
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &pending{done: make(chan struct{}, 1), timer: timer}
}

// recycledBytesMax bounds the memory of an append that is kept for the next one.
const recycledBytesMax = 64 << 10

// recycle leaves p, which succeeded, to the next append. Nobody else refers to it: whoever finished it had taken it out of the backlog.
func (c *Client) recycle(p *pending) {
	if cap(p.body)+cap(p.ids)*len(uuid.UUID{}) > recycledBytesMax {
		return
	}
	*p = pending{packed: p.packed, done: p.done, timer: p.timer}
	c.pendings.Put(p)
}

// appended leaves Duplicate to command ids: that an earlier send of this very append was the one that was stored is nothing to report.
func (p *pending) appended(r *wire.AppendResult, epoch uint64) Appended {
	out := Appended{
		Time:      time.UnixMilli(r.Timestamp).UTC(),
		Duplicate: r.Duplicate && p.append.Writes[0].CommandID != "",
		Writes:    make([]Written, len(r.Writes)),
	}
	for i, w := range r.Writes {
		out.Writes[i] = Written{Partition: w.Partition, Epoch: epoch, Count: int(w.Count), FirstOffset: w.FirstOffset, FirstVersion: w.FirstVersion}
	}
	return out
}
