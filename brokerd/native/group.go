package native

import "github.com/strandlog/strand/internal/wire"

// groups answers what is asked of the groups of a session. An answer waits until what it says is stored.
func (s *Server) groups(session Session) reader {
	encode := func(r wire.GroupResponse) []byte {
		data, err := r.AppendTo(nil)
		if err != nil {
			s.cfg.Logger.Error("an answer about a group cannot be encoded", "error", err)
		}
		return data
	}
	refuse := func(code wire.Code, detail string) []byte {
		return encode(wire.GroupResponse{Code: code, Detail: detail, Epoch: session.Epoch})
	}
	return reader{refuse: refuse, answer: decoded(refuse, func(req wire.GroupRequest, _ room, _ *memory) []byte {
		return encode(session.Groups.Group(s.ctx, req))
	})}
}
