package shard

import (
	"context"
	"iter"
)

// Log is the engine stream of a shard, as the sequencer needs it.
type Log interface {
	// Leader says whether this node leads the engine stream. It is a hint: the barrier is the proof.
	Leader() bool
	// Bounds are the sequences of the first and the last message that the engine reports. An empty log that was never cut is (1, 0).
	Bounds(ctx context.Context) (first, last uint64, err error)
	// Read yields the messages from one sequence to another, both included, without a gap. An error that matches ErrCorrupt is final:
	// a message is missing or damaged. Any other may pass.
	Read(ctx context.Context, from, to uint64) iter.Seq2[Message, error]
	// Tail yields the messages from one sequence on that this node's copy of the log holds by now, without a gap. It may end before the newest. An
	// error that matches ErrBehind says that the log begins behind that sequence.
	Tail(ctx context.Context, from uint64) iter.Seq2[Message, error]
	// Cut removes the messages before a sequence, for good.
	Cut(ctx context.Context, before uint64) error
	// Session opens a way to publish whose acknowledgements arrive at acks, in the order of the engine's answers, from another goroutine.
	// Losing the connection is reported as an Ack with an error.
	Session(session uint64, acks func(Ack)) (Session, error)
}

// Session publishes frames under an inbox of its own.
type Session interface {
	// Publish sends a frame that the engine must store at seq or refuse. It does not wait.
	Publish(seq uint64, data []byte) error
	Close() error
}

// Message is one stored engine message.
type Message struct {
	Seq  uint64
	Data []byte
}

// Ack is the engine's answer to a publish: it stored at Seq what was meant for Intended, unless Err is set.
type Ack struct {
	Intended uint64
	Seq      uint64
	Err      error
}
