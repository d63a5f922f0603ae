package eventstore

import (
	"encoding/binary"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// decode turns a record into an event. It is not wanted when its category was not given, or when its type is unknown and the store skips those.
func (s *Store) decode(r *commitlog.Record) (e Event, wanted bool, err error) {
	category, _, _ := strings.Cut(string(r.Key), "-")
	if !s.registry.categories[category] {
		return Event{}, false, nil
	}
	e = Event{Stream: StreamName(r.Key), Position: s.positionOf(r.Partition, r.Offset, r.Epoch), Time: r.Time}
	var read *reader
	for i := range r.Headers {
		h := &r.Headers[i]
		switch h.Key {
		case wire.HeaderID:
			if len(h.Value) == len(uuid.UUID{}) {
				e.ID = uuid.UUID(h.Value)
			}
		case wire.HeaderVersion:
			if len(h.Value) == 8 {
				e.Version = int64(binary.BigEndian.Uint64(h.Value))
			}
		case wire.HeaderType:
			if read = s.registry.byName[string(h.Value)]; read != nil {
				e.Type = read.name
			} else {
				e.Type = string(h.Value)
			}
		case wire.HeaderProducer, wire.HeaderContentType:
		default:
			e.Metadata.read(h.Key, h.Value)
		}
	}
	if read == nil {
		if s.cfg.UnknownTypes == Skip {
			return Event{}, false, nil
		}
		return Event{}, false, &UnknownTypeError{Type: e.Type, Stream: e.Stream, Version: e.Version, Position: e.Position}
	}
	if e.Data, err = read.read(r.Value); err != nil {
		return Event{}, false, &DecodeError{Type: e.Type, Stream: e.Stream, Version: e.Version, Position: e.Position, Cause: err}
	}
	return e, true, nil
}
