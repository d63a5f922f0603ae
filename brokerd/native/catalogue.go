package native

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

var errIncomplete = errors.New("the request lacks what it is about")

// handler carries out one kind of catalogue request.
type handler func(ctx context.Context, c Catalogue, req wire.TopicRequest) (wire.TopicResponse, error)

// catalogue answers one kind of catalogue request.
func (s *Server) catalogue(c Catalogue, handle handler) nats.MsgHandler {
	answer := func(msg *nats.Msg, r wire.TopicResponse) {
		data, err := r.AppendTo(nil)
		if err != nil {
			s.cfg.Logger.Error("a catalogue answer cannot be encoded", "error", err)
			return
		}
		s.respond(s.cfg.Reads, msg, data)
	}
	return func(msg *nats.Msg) {
		started := s.start(s.rare, func() {
			var req wire.TopicRequest
			if err := req.Decode(msg.Data); err != nil {
				answer(msg, wire.TopicResponse{Code: wire.Invalid, Detail: err.Error()})
				return
			}
			r, err := handle(s.ctx, c, req)
			switch {
			case errors.Is(err, errIncomplete):
				answer(msg, wire.TopicResponse{Code: wire.Invalid, Detail: err.Error()})
			case err != nil:
				answer(msg, wire.TopicResponse{Code: c.Code(err), Detail: err.Error()})
			default:
				answer(msg, r)
			}
		})
		if !started {
			answer(msg, wire.TopicResponse{Code: wire.Overloaded, Detail: "too many requests are under way"})
		}
	}
}

func create(ctx context.Context, c Catalogue, req wire.TopicRequest) (wire.TopicResponse, error) {
	if req.Spec == nil {
		return wire.TopicResponse{}, errIncomplete
	}
	return one(c.Create(ctx, *req.Spec))
}

func describe(ctx context.Context, c Catalogue, req wire.TopicRequest) (wire.TopicResponse, error) {
	if req.Name == "" {
		return wire.TopicResponse{}, errIncomplete
	}
	return one(c.Describe(ctx, req.Name, req.ID))
}

func list(ctx context.Context, c Catalogue, _ wire.TopicRequest) (wire.TopicResponse, error) {
	topics, err := c.List(ctx)
	return wire.TopicResponse{Topics: topics}, err
}

func nodes(ctx context.Context, c Catalogue, _ wire.TopicRequest) (wire.TopicResponse, error) {
	return wire.TopicResponse{Nodes: c.Nodes(ctx)}, nil
}

func alter(ctx context.Context, c Catalogue, req wire.TopicRequest) (wire.TopicResponse, error) {
	if req.Change == nil {
		return wire.TopicResponse{}, errIncomplete
	}
	return one(c.Alter(ctx, req.ID, *req.Change))
}

func remove(ctx context.Context, c Catalogue, req wire.TopicRequest) (wire.TopicResponse, error) {
	return wire.TopicResponse{}, c.Delete(ctx, req.ID)
}

func one(t wire.TopicInfo, err error) (wire.TopicResponse, error) {
	return wire.TopicResponse{Topics: []wire.TopicInfo{t}}, err
}
