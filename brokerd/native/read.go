package native

import (
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

// reader answers one kind of read. refuse answers without work.
type reader struct {
	answer func(request []byte) []byte
	refuse func(code wire.Code, detail string) []byte
}

// read answers a request in a goroutine of its own: it may wait for records that are yet to come.
func (s *Server) read(r reader) nats.MsgHandler {
	return func(msg *nats.Msg) {
		if !s.start(s.reads, func() { s.respond(s.cfg.Reads, msg, r.answer(msg.Data)) }) {
			s.respond(s.cfg.Reads, msg, r.refuse(wire.Overloaded, "too many reads are under way"))
		}
	}
}

func (s *Server) fetch(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.FetchResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: func(request []byte) []byte {
		var req wire.FetchRequest
		if err := req.Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		r := session.Target.Fetch(s.ctx, req)
		return r.AppendTo(make([]byte, 0, 64+len(r.Batches)))
	}}
}

func (s *Server) stream(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.StreamResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: func(request []byte) []byte {
		var req wire.StreamRequest
		if err := req.Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		r := session.Target.Stream(s.ctx, req)
		return r.AppendTo(nil)
	}}
}

func (s *Server) get(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.GetResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: func(request []byte) []byte {
		var req wire.GetRequest
		if err := req.Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		r := session.Target.Get(s.ctx, req)
		return r.AppendTo(nil)
	}}
}

func (s *Server) frames(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.FramesResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: func(request []byte) []byte {
		var req wire.FramesRequest
		if err := req.Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		r := session.Target.Frames(s.ctx, req)
		return r.AppendTo(nil)
	}}
}

func (s *Server) deleteBefore(session Session) reader {
	refuse := func(code wire.Code, detail string) []byte {
		r := wire.DeleteBeforeResponse{Code: code, Detail: detail}
		return r.AppendTo(nil)
	}
	return reader{refuse: refuse, answer: func(request []byte) []byte {
		var req wire.DeleteBeforeRequest
		if err := req.Decode(request); err != nil {
			return refuse(wire.Invalid, err.Error())
		}
		r := session.Target.DeleteBefore(s.ctx, req)
		return r.AppendTo(nil)
	}}
}
