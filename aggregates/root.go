package aggregates

import (
	"fmt"
	"reflect"
	"time"

	"github.com/strandlog/strand/eventstore"
)

// Root is an aggregate as one version of its stream left it. It belongs to the caller: nothing else reads or writes its State.
type Root[S any] struct {
	ID       string              // the key: "alice" of the stream account-alice
	Version  int64               // of the last event in State; 0: the aggregate does not exist
	Position eventstore.Position // of that event; zero when there is none
	State    S
	Events   []eventstore.Event // what the handling recorded; none after a refusal, when nothing followed, and from Load
}

// folded is a state together with the place in the stream that it was folded up to. The zero value is every stream's beginning.
type folded[S any] struct {
	state    S
	version  int64
	position eventstore.Position
	time     time.Time // of the last event
}

// evolve takes the next event of the stream in.
func (f *folded[S]) evolve(e eventstore.Event) error {
	if due := f.version + 1; e.Version != due {
		return &GapError{Stream: e.Stream.String(), Version: due, Next: e.Version}
	}
	event, ok := e.Data.(Event[S])
	if !ok {
		return &EventError{
			Stream: e.Stream.String(),
			GoType: fmt.Sprintf("%T", e.Data),
			Reason: fmt.Sprintf("version %d is read as this type, which has no method Evolve(*%s): give eventstore.Open and NewRepository the same Type", e.Version, reflect.TypeFor[S]()),
		}
	}
	event.Evolve(&f.state)
	f.version, f.position, f.time = e.Version, e.Position, e.Time
	return nil
}

func (f *folded[S]) root(key string, events []eventstore.Event) Root[S] {
	return Root[S]{ID: key, Version: f.version, Position: f.position, State: f.state, Events: events}
}
