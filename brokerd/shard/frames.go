package shard

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// Frames answers with committed messages of the log as they were stored, for backups. What is appended meanwhile is beyond Last of the first answer.
func (s *Shard) Frames(ctx context.Context, req wire.FramesRequest) wire.FramesResponse {
	failed := func(err error) wire.FramesResponse {
		return wire.FramesResponse{Code: codeOf(err), Detail: err.Error()}
	}
	if code, detail := s.refusal(0); code != wire.OK {
		return wire.FramesResponse{Code: code, Detail: detail}
	}
	at, err := s.store.reach(ctx, 0, 0)
	if err != nil {
		return failed(err)
	}
	first, _, err := s.cfg.Log.Bounds(ctx)
	if err != nil {
		return failed(err)
	}
	// What was cut away may show again after a power loss, without a beginning: see mark.
	r := wire.FramesResponse{Epoch: at.Epoch, First: max(req.From, first, s.store.mark.cutAt(), 1), Last: at.Seq}
	left := int(min(max(req.MaxBytes, 1), wire.FetchBytesMax))
	for m, err := range s.cfg.Log.Read(ctx, r.First, at.Seq) {
		if err != nil && s.store.mark.cutAt() > r.First {
			return wire.FramesResponse{Code: wire.Retry, Detail: "the log was cut while it was read"}
		}
		if err != nil {
			return failed(fmt.Errorf("reading the log: %w", err))
		}
		if len(r.Messages) > 0 && (left < len(m.Data) || len(r.Messages) == wire.MessagesMax) {
			break
		}
		left -= len(m.Data)
		r.Messages = append(r.Messages, m.Data)
	}
	return r
}

// Reader follows a log from outside a shard: it says which of its messages are valid, and checks that all of them are sound.
type Reader struct{ state State }

// NewReader begins before the first message of a log.
func NewReader(logID uuid.UUID, layout Layout) *Reader { return &Reader{NewState(logID, layout)} }

// Next takes the next message. Every error is an ErrCorrupt.
func (r *Reader) Next(seq uint64, data []byte) (f Frame, valid bool, err error) {
	if r.state.Seq == 0 && seq > 1 {
		f, _, err = r.state.Begin(seq, data)
		return f, err == nil, err
	}
	if f, valid, err = r.state.Apply(seq, data); err == nil && !valid && r.state.begins(&f) {
		f, _, err = r.state.Begin(seq, data)
		return f, err == nil, err
	}
	return f, valid, err
}

// State is what the messages so far amount to.
func (r *Reader) State() State { return r.state.Clone() }

// Writer writes the frames of one log into another one that is empty: the same records at the same offsets, under another log UUID, in a session and
// an epoch of its own. Barriers are left out. Write publishes a message, which must be stored at the sequence given.
type Writer struct {
	Write func(seq uint64, data []byte) error

	state   State
	epoch   uint64
	session uint64
}

// NewWriter begins a log. Its epoch is to be above that of every position that was ever handed out for the other one.
func NewWriter(logID uuid.UUID, layout Layout, epoch uint64, write func(seq uint64, data []byte) error) (*Writer, error) {
	session, err := newSession()
	if err != nil {
		return nil, err
	}
	return &Writer{Write: write, state: NewState(logID, layout), epoch: epoch, session: session}, nil
}

// Begin writes the barrier that a log begins with.
func (w *Writer) Begin(timestamp int64) error {
	return w.append(Frame{Kind: KindBarrier, Time: timestamp})
}

// Append writes a frame of the other log: its first one, or the one after the frame that was written last.
// When the first one is a snapshot the log was cut there: everything before it must be purged once it is written, and cut is its sequence.
func (w *Writer) Append(f Frame) (cut uint64, err error) {
	if f.Kind == KindBarrier {
		return 0, nil
	}
	if f.Kind != KindSnapshot || w.begun() {
		return 0, w.append(f)
	}
	f.LogID, f.Epoch, f.Session, f.Seq, f.Prev = w.state.LogID, w.epoch, w.session, w.state.Seq+1, w.state.Sum
	data := f.AppendTo(nil)
	if _, _, err := w.state.Begin(f.Seq, data); err != nil {
		return 0, err
	}
	return f.Seq, w.Write(f.Seq, data)
}

func (w *Writer) begun() bool {
	for _, next := range w.state.Next {
		if next > 0 {
			return true
		}
	}
	return false
}

func (w *Writer) append(f Frame) error {
	f.LogID, f.Epoch, f.Session, f.Seq, f.Prev = w.state.LogID, w.epoch, w.session, w.state.Seq+1, w.state.Sum
	data := f.AppendTo(nil)
	_, valid, err := w.state.Apply(f.Seq, data)
	switch {
	case err != nil:
		return err
	case !valid:
		return &CorruptError{Seq: f.Seq, Reason: errNotContinued}
	}
	return w.Write(f.Seq, data)
}

var errNotContinued = errors.New("the frame does not continue the log before it")
