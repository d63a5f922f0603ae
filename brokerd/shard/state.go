package shard

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// State is what the valid frames of a log amount to. It is the state of the function V of the sequencer protocol, see [State.Apply].
type State struct {
	LogID   uuid.UUID
	Epoch   uint64
	Session uint64
	Seq     uint64  // of the last engine message seen, valid or void
	Sum     uint64  // of the last valid frame
	Time    int64   // newest record time, ms since 1970
	Next    []int64 // next offset, by slot
	Starts  []int64 // first offset that is kept, by slot; replaced, never changed in place
	Bytes   int64   // of all batches that the log ever held
	Points  []Point // the snapshots at which the log can be cut, ascending; replaced, never changed in place

	layout Layout
}

// Point is a snapshot frame in the log: where it stands, and what the log amounted to there.
type Point struct {
	Seq   uint64
	Time  int64 // newest record time before it, ms since 1970
	Bytes int64
	Next  []int64
}

// ErrCorrupt stops a shard: its log contradicts itself, so nothing that is built on it may be served.
var ErrCorrupt = errors.New("log is corrupt")

// ErrDiverged stops a shard whose log lost records that were acknowledged. Only an operator can decide to go on, under a new log UUID.
var ErrDiverged = errors.New("log diverged")

// ErrClosed is the answer of a shard that was closed.
var ErrClosed = errors.New("the shard is closed")

// CorruptError says where and how a log contradicts itself. It is an ErrCorrupt.
type CorruptError struct {
	Seq    uint64 // engine sequence
	Reason error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("log is corrupt at engine sequence %d: %v", e.Seq, e.Reason)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

func (e *CorruptError) Unwrap() error { return e.Reason }

// NewState is the state of an empty log.
func NewState(logID uuid.UUID, layout Layout) State {
	return State{LogID: logID, Next: make([]int64, layout.Len()), Starts: make([]int64, layout.Len()), layout: layout}
}

// Clone returns a state that shares nothing with s.
func (s *State) Clone() State {
	c := *s
	c.Next = slices.Clone(s.Next)
	return c
}

// Apply is the function V: it decides from the log alone whether the next engine message belongs to the log.
// A void message takes no offsets and is skipped by everyone alike. Only damage is an error; it is a *CorruptError.
func (s *State) Apply(seq uint64, data []byte) (f Frame, valid bool, err error) {
	if seq != s.Seq+1 {
		return Frame{}, false, &CorruptError{Seq: seq, Reason: fmt.Errorf("sequence %d follows %d", seq, s.Seq)}
	}
	f, err = DecodeFrame(data)
	if err != nil {
		return Frame{}, false, &CorruptError{Seq: seq, Reason: err}
	}
	s.Seq = seq
	if !s.admits(&f, seq) {
		return f, false, nil
	}
	s.advance(&f)
	return f, true, nil
}

// Begin starts at the first message of a log that was cut in front: the snapshot at which it was cut. What lay before it is gone.
// Only damage is an error; it is a *CorruptError.
func (s *State) Begin(seq uint64, data []byte) (f Frame, snap Snapshot, err error) {
	refuse := func(err error) (Frame, Snapshot, error) {
		return Frame{}, Snapshot{}, &CorruptError{Seq: seq, Reason: fmt.Errorf("the log begins here, with no snapshot of its own: %w", err)}
	}
	if f, err = DecodeFrame(data); err != nil {
		return refuse(err)
	}
	if f.Kind != KindSnapshot || f.Seq != seq || f.LogID != s.LogID {
		return refuse(fmt.Errorf("a frame of kind %d, meant for sequence %d of log %s", f.Kind, f.Seq, f.LogID))
	}
	if snap, err = decodeSnapshot(f.Body, s.layout.Len()); err != nil {
		return refuse(err)
	}
	*s = State{
		LogID: f.LogID, Epoch: f.Epoch, Session: f.Session, Seq: seq, Sum: f.Sum, Time: f.Time, Bytes: snap.Bytes,
		Next: snap.Next, Starts: slices.Clone(snap.Next), layout: s.layout,
	}
	s.Points = []Point{s.point()}
	return f, snap, nil
}

// begins says of a void frame that the log begins there: it is a snapshot of records that are not in the log, by the session that began the log. No
// sequencer writes that. It is how a restored log begins whose first message, a barrier, was not removed, or has come back after a power loss.
func (s *State) begins(f *Frame) bool {
	return f.Kind == KindSnapshot && f.Seq == s.Seq && f.Prev == s.Sum && f.LogID == s.LogID && f.Epoch == s.Epoch && f.Session == s.Session &&
		s.Bytes == 0 && !slices.ContainsFunc(s.Next, func(next int64) bool { return next > 0 })
}

// point is the state as one at which the log can be cut.
func (s *State) point() Point {
	return Point{Seq: s.Seq, Time: s.Time, Bytes: s.Bytes, Next: slices.Clone(s.Next)}
}

func (s *State) admits(f *Frame, seq uint64) bool {
	if f.Seq != seq || f.Prev != s.Sum || f.LogID != s.LogID {
		return false
	}
	for _, e := range f.Entries {
		slot, ok := s.layout.Slot(e.Partition)
		if !ok || e.Base != s.Next[slot] {
			return false
		}
	}
	if f.Kind == KindBarrier {
		return f.Epoch > s.Epoch
	}
	if f.Kind == KindSnapshot {
		snap, err := decodeSnapshot(f.Body, s.layout.Len())
		if err != nil || !slices.Equal(snap.Next, s.Next) || snap.Bytes != s.Bytes {
			return false
		}
	}
	return f.Epoch == s.Epoch && f.Session == s.Session
}

// advance moves the state over a frame that it admits.
func (s *State) advance(f *Frame) {
	s.Seq, s.Sum = f.Seq, f.Sum
	before := s.Time
	s.Time = max(s.Time, f.Time)
	if f.Kind == KindBarrier {
		s.Epoch, s.Session = f.Epoch, f.Session
	}
	for _, e := range f.Entries {
		slot, _ := s.layout.Slot(e.Partition)
		s.Next[slot] += int64(e.Count)
		s.Bytes += int64(len(e.Batches))
	}
	if f.Kind == KindSnapshot {
		if snap, err := decodeSnapshot(f.Body, s.layout.Len()); err == nil { // it was admitted: it decodes
			s.Starts = slices.Clone(s.Starts)
			for slot, start := range snap.Starts {
				s.Starts[slot] = max(s.Starts[slot], start) // a log that was cut begins further on than snapshots behind the cut may say
			}
			p := s.point()
			p.Time = before // its own is later than that of every record
			s.Points = addPoint(s.Points, p, s.Starts)
		}
	}
}
