package topics

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// State is how far a topic has come.
type State string

// The states of a topic, in the order in which it passes through them.
const (
	Creating State = "creating"
	Ready    State = "ready"
	Deleting State = "deleting"
	Gone     State = "gone"
)

// Topic is one incarnation of a topic.
type Topic struct {
	wire.TopicSpec
	ID      uuid.UUID
	LogID   uuid.UUID
	Created time.Time
	State   State

	version int64 // of the topic's stream in the catalogue
}

// created is the event that begins a topic.
type created struct {
	ID      uuid.UUID      `json:"id"`
	LogID   uuid.UUID      `json:"logId"`
	Spec    wire.TopicSpec `json:"spec"`
	Created time.Time      `json:"created"`
}

// altered is what changed of a topic: all of it as it is from now on, so that it is folded without knowing what was before.
type altered struct {
	Retention wire.Retention `json:"retention"`
}

// The types of the catalogue's events.
const (
	typeCreated  = "topic.created"
	typeReady    = "topic.ready"
	typeAltered  = "topic.altered"
	typeDeleting = "topic.deleting"
	typeGone     = "topic.gone"
)

// evolve folds one event of a topic's stream.
func (t Topic) evolve(e Event) (Topic, error) {
	t.version = e.Version
	switch e.Type {
	case typeCreated:
		var c created
		if err := json.Unmarshal(e.Data, &c); err != nil {
			return t, fmt.Errorf("catalogue: version %d of stream %q: %w", e.Version, e.Stream, err)
		}
		return Topic{TopicSpec: c.Spec, ID: c.ID, LogID: c.LogID, Created: c.Created, State: Creating, version: e.Version}, nil
	case typeReady:
		t.State = Ready
	case typeAltered:
		var a altered
		if err := json.Unmarshal(e.Data, &a); err != nil {
			return t, fmt.Errorf("catalogue: version %d of stream %q: %w", e.Version, e.Stream, err)
		}
		t.Retention = a.Retention
	case typeDeleting:
		t.State = Deleting
	case typeGone:
		t.State = Gone
	default:
		return t, fmt.Errorf("catalogue: version %d of stream %q has the unknown type %q: this data was written by a newer brokerd", e.Version, e.Stream, e.Type)
	}
	return t, nil
}
