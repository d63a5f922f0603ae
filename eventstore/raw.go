package eventstore

import (
	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Raw is the data of an event as it is stored.
type Raw struct {
	ContentType string
	Bytes       []byte
}

// contentTypeJSON is what events are that name no content type.
const contentTypeJSON = "application/json"

// ReadRaw reads a record of a versioned topic as an event whose type need not be known: for tools that show the log as it is. A record that was appended
// without a type has none. Error: ErrDecode for a record that is no event.
func ReadRaw(t commitlog.Topic, r commitlog.Record) (Recorded[Raw], error) {
	e := Recorded[Raw]{
		Stream: StreamName(r.Key), Time: r.Time, Data: Raw{ContentType: contentTypeJSON, Bytes: r.Value},
		Position: Position{Topic: t.Name, TopicID: t.ID, LogID: t.LogID, Partition: r.Partition, Offset: r.Offset, Epoch: r.Epoch},
	}
	for i := range r.Headers {
		h := &r.Headers[i]
		switch h.Key {
		case wire.HeaderID:
			e.ID = storedID(h.Value)
		case wire.HeaderVersion:
			e.Version = storedVersion(h.Value)
		case wire.HeaderType:
			e.Type = string(h.Value)
		case wire.HeaderContentType:
			e.Data.ContentType = string(h.Value)
		case wire.HeaderProducer:
		default:
			e.Metadata.read(h.Key, h.Value)
		}
	}
	if e.ID == uuid.Nil || e.Version < 1 {
		return e, &DecodeError{Type: e.Type, Stream: e.Stream, Version: e.Version, Position: e.Position, Time: e.Time, Cause: errNoEnvelope}
	}
	return e, nil
}
