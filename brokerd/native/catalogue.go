package native

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/strandlog/strand/internal/wire"
)

var errIncomplete = errors.New("the request lacks what it is about")

// handler carries out one kind of catalogue request.
type handler func(ctx context.Context, c Catalogue, req wire.TopicRequest) ([]wire.TopicInfo, error)

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
			topics, err := handle(s.ctx, c, req)
			switch {
			case errors.Is(err, errIncomplete):
				answer(msg, wire.TopicResponse{Code: wire.Invalid, Detail: err.Error()})
			case err != nil:
				answer(msg, wire.TopicResponse{Code: c.Code(err), Detail: err.Error()})
			default:
				answer(msg, wire.TopicResponse{Code: wire.OK, Topics: topics})
			}
		})
		if !started {
			answer(msg, wire.TopicResponse{Code: wire.Overloaded, Detail: "too many requests are under way"})
		}
	}
}

func create(ctx context.Context, c Catalogue, req wire.TopicRequest) ([]wire.TopicInfo, error) {
	if req.Spec == nil {
		return nil, errIncomplete
	}
	t, err := c.Create(ctx, *req.Spec)
	return []wire.TopicInfo{t}, err
}

func describe(ctx context.Context, c Catalogue, req wire.TopicRequest) ([]wire.TopicInfo, error) {
	if req.Name == "" {
		return nil, errIncomplete
	}
	t, err := c.Describe(ctx, req.Name)
	return []wire.TopicInfo{t}, err
}

func list(ctx context.Context, c Catalogue, _ wire.TopicRequest) ([]wire.TopicInfo, error) {
	return c.List(ctx)
}

func alter(ctx context.Context, c Catalogue, req wire.TopicRequest) ([]wire.TopicInfo, error) {
	if req.Change == nil {
		return nil, errIncomplete
	}
	t, err := c.Alter(ctx, req.ID, *req.Change)
	return []wire.TopicInfo{t}, err
}

func remove(ctx context.Context, c Catalogue, req wire.TopicRequest) ([]wire.TopicInfo, error) {
	return nil, c.Delete(ctx, req.ID)
}
