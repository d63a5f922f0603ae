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

	layout Layout
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
	return State{LogID: logID, Next: make([]int64, layout.Len()), layout: layout}
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
	return f.Epoch == s.Epoch && f.Session == s.Session
}

// advance moves the state over a frame that it admits.
func (s *State) advance(f *Frame) {
	s.Seq, s.Sum = f.Seq, f.Sum
	s.Time = max(s.Time, f.Time)
	if f.Kind == KindBarrier {
		s.Epoch, s.Session = f.Epoch, f.Session
	}
	for _, e := range f.Entries {
		slot, _ := s.layout.Slot(e.Partition)
		s.Next[slot] += int64(e.Count)
	}
}
