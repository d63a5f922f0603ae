package eventstore

import (
	"time"

	"github.com/google/uuid"
)

// Recorded is an event as the log holds it.
type Recorded[T any] struct {
	ID       uuid.UUID
	Stream   StreamName
	Version  int64 // within the stream, from 1
	Position Position
	Time     time.Time // record time: never runs backwards within a partition
	Type     string    // the name that it was written under, category.name
	Metadata Metadata
	Data     T
}

// Event is a recorded event of any type. Data is a value of a type that the store was opened with.
type Event = Recorded[any]

// As narrows an event to a type of its data, and says whether it is of that type.
func As[T any](e Event) (Recorded[T], bool) {
	data, ok := e.Data.(T)
	return Recorded[T]{
		ID: e.ID, Stream: e.Stream, Version: e.Version, Position: e.Position,
		Time: e.Time, Type: e.Type, Metadata: e.Metadata, Data: data,
	}, ok
}
