package native

import (
	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

// produce hands the batches of a request to the sequencer. They are views into the message, which is theirs from now on.
func (s *Server) produce(session Session) nats.MsgHandler {
	return func(msg *nats.Msg) {
		var req wire.ProduceRequest
		if err := req.Decode(msg.Data); err != nil {
			r := wire.ProduceResponse{Code: wire.Invalid, Detail: err.Error(), Epoch: session.Epoch}
			s.respond(s.cfg.Replies, msg, r.AppendTo(nil))
			return
		}
		session.Target.Produce(session.ID, req.Producer, req.Batches, len(msg.Data), func(results []wire.ProduceResult) {
			r := wire.ProduceResponse{Code: wire.OK, Epoch: session.Epoch, Results: results}
			s.respond(s.cfg.Replies, msg, r.AppendTo(make([]byte, 0, 16+24*len(results))))
		})
	}
}

// append hands the appends of a request to the sequencer. The answer is sent from the sequencer's goroutine, as soon as it is known.
func (s *Server) append(session Session) nats.MsgHandler {
	return func(msg *nats.Msg) {
		var req wire.AppendRequest
		if err := req.Decode(msg.Data); err != nil {
			r := wire.AppendResponse{Code: wire.Invalid, Detail: err.Error(), Epoch: session.Epoch}
			s.respond(s.cfg.Replies, msg, r.AppendTo(nil))
			return
		}
		session.Target.Append(session.ID, req.Producer, req.ProducerEpoch, req.Appends, len(msg.Data), func(results []wire.AppendResult) {
			r := wire.AppendResponse{Code: wire.OK, Epoch: session.Epoch, Results: results}
			s.respond(s.cfg.Replies, msg, r.AppendTo(make([]byte, 0, 16+64*len(results))))
		})
	}
}
