package native

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

// reader answers one kind of read, in memory that is given for that. It asks room for the bytes that it is about to take. refuse answers without work.
type reader struct {
	answer func(request []byte, room room, m *memory) []byte
	refuse func(code wire.Code, detail string) []byte
	bulk   bool // a client has few of them at work at once
}

// room waits until a read may take so many bytes, instead of those that it was given before.
type room = func(ctx context.Context, bytes int) error

// decoded is an answer to requests of one type. What does not decode is refused.
func decoded[T any, P interface {
	*T
	Decode(b []byte) error
}](refuse func(wire.Code, string) []byte, answer func(T, room, *memory) []byte) func([]byte, room, *memory) []byte {
	return func(request []byte, room room, m *memory) []byte {
		var req T
		if err := P(&req).Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		return answer(req, room, m)
	}
}

// An answer is held twice, as it was read and as it is sent, and one may be as large as a payload.
const (
	readCopies   = 2
	readBytesMin = readCopies * wire.PayloadBytesMax
)

// read answers a request in a goroutine of its own: it may wait for records that are yet to come.
func (s *Server) read(r reader) nats.MsgHandler {
	return func(msg *nats.Msg) {
		if !s.start(s.reads, func() { s.answer(msg, r) }) {
			s.respond(s.cfg.Reads, msg, r.refuse(wire.Overloaded, "too many reads are under way"))
		}
	}
}

// answer reads and sends, and gives back what the read took.
func (s *Server) answer(msg *nats.Msg, r reader) {
	var taken int64
	var release func()
	defer func() {
		s.room.Release(taken)
		if release != nil {
			release()
		}
	}()
	m := s.memory()
	reply := r.answer(msg.Data, func(ctx context.Context, bytes int) error {
		if r.bulk && release == nil {
			turn, err := s.turns.take(ctx, msg.Reply)
			if err != nil {
				return err
			}
			release = turn
		}
		// First it gives back: if reads waited for more while they kept what they have, they could all wait for one another.
		s.room.Release(taken)
		taken = 0
		n := min(int64(readCopies*bytes), s.roomMax) // one that takes more than that has it all for itself
		if err := s.room.Acquire(ctx, n); err != nil {
			return err
		}
		taken = n
		return nil
	}, m)
	data := reply
	if err := s.sent.take(s.ctx, len(data)); err != nil {
		data = r.refuse(wire.NotLeader, err.Error())
	}
	s.respond(s.cfg.Reads, msg, data) // which copies it
	m.reply = reply
	s.recycle(m)
}

// fetchHeaderBytesMax is about what a fetch answer without detail adds to its batches.
const fetchHeaderBytesMax = 64

func (s *Server) fetch(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.FetchResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, bulk: true, answer: decoded(refuse, func(req wire.FetchRequest, room room, m *memory) []byte {
		r := session.Target.Fetch(s.ctx, req, room, &m.read)
		return r.AppendTo(slices.Grow(m.reply[:0], fetchHeaderBytesMax+len(r.Batches)))
	})}
}

func (s *Server) stream(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.StreamResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: decoded(refuse, func(req wire.StreamRequest, room room, m *memory) []byte {
		r := session.Target.Stream(s.ctx, req, room)
		return r.AppendTo(m.reply[:0])
	})}
}

func (s *Server) get(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.GetResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: decoded(refuse, func(req wire.GetRequest, room room, m *memory) []byte {
		r := session.Target.Get(s.ctx, req, room)
		return r.AppendTo(m.reply[:0])
	})}
}

func (s *Server) frames(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.FramesResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: decoded(refuse, func(req wire.FramesRequest, room room, m *memory) []byte {
		if err := room(s.ctx, wire.PayloadBytesMax); err != nil {
			return refuse(wire.NotLeader, err.Error())
		}
		r := session.Target.Frames(s.ctx, req)
		return r.AppendTo(m.reply[:0])
	})}
}

func (s *Server) deleteBefore(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.DeleteBeforeResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: decoded(refuse, func(req wire.DeleteBeforeRequest, _ room, m *memory) []byte {
		r := session.Target.DeleteBefore(s.ctx, req)
		return r.AppendTo(m.reply[:0])
	})}
}
