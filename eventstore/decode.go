package eventstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// decode turns a record into an event. It is not wanted when its category was not given, or when its type is unknown and the store skips those.
// Finding the category and the type takes no memory: a replay does it for every record of the topic.
func (s *Store) decode(r *commitlog.Record) (e Event, wanted bool, err error) {
	category, _, _ := bytes.Cut(r.Key, []byte("-"))
	if !s.registry.categories[string(category)] {
		return Event{}, false, nil
	}
	e = Event{Stream: StreamName(r.Key), Position: s.positionOf(r.Partition, r.Offset, r.Epoch), Time: r.Time}
	var reader *reader
	var contentType []byte
	for i := range r.Headers {
		h := &r.Headers[i]
		switch h.Key {
		case wire.HeaderID:
			e.ID = storedID(h.Value)
		case wire.HeaderVersion:
			e.Version = storedVersion(h.Value)
		case wire.HeaderType:
			if reader = s.registry.byName[string(h.Value)]; reader != nil {
				e.Type = reader.name
			} else {
				e.Type = string(h.Value)
			}
		case wire.HeaderContentType:
			contentType = h.Value
		case wire.HeaderProducer:
		default:
			e.Metadata.read(h.Key, h.Value)
		}
	}
	switch {
	case e.ID == uuid.Nil || e.Version < 1:
		err = errNoEnvelope
	case reader == nil && s.cfg.UnknownTypes == Skip:
		return Event{}, false, nil
	case reader == nil:
		return Event{}, false, &UnknownTypeError{ID: e.ID, Type: e.Type, Stream: e.Stream, Version: e.Version, Position: e.Position, Time: e.Time}
	default:
		e.Data, err = reader.decode(contentType, r.Value)
	}
	if err != nil {
		return Event{}, false, &DecodeError{ID: e.ID, Type: e.Type, Stream: e.Stream, Version: e.Version, Position: e.Position, Time: e.Time, Cause: err}
	}
	return e, true, nil
}

// storedID is the id in a record's header, none when that is malformed.
func storedID(value []byte) uuid.UUID {
	if len(value) != len(uuid.UUID{}) {
		return uuid.Nil
	}
	return uuid.UUID(value)
}

// storedVersion is the version in a record's header, 0 when that is malformed.
func storedVersion(value []byte) int64 {
	if len(value) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(value))
}

var errNoEnvelope = errors.New("the record lacks the id or the version that every event has")

// decode reads data by the codec of its content type: the category's own, or the JSON of a time before it had one.
func (r *reader) decode(contentType, data []byte) (any, error) {
	switch {
	case r.raw || string(contentType) == r.contentType:
		return r.read(r.Codec, data)
	case len(contentType) == 0:
		return r.read(JSON{}, data)
	}
	own := r.contentType
	if own == "" {
		own = "JSON"
	}
	return nil, fmt.Errorf("its content type is %q and the category's codec reads %s: give the category a codec that reads both", contentType, own)
}
