package aggregates

import "github.com/strandlog/strand/eventstore"

// Type describes one type of aggregate: its category, and the name of each of its events on the log, for ever.
// It is an [eventstore.Schema]: give it to [eventstore.Open] and to [NewRepository].
type Type[S any] struct {
	Name   string              // the category: "account" of the stream account-alice
	Events map[string]Event[S] // name without the category → zero value of the event: "deposited" → Deposited{}
	Old    eventstore.Old      // names that are no longer written, and how to read them
	Codec  eventstore.Codec    // default JSON

	// Clone copies a state such that nothing written through the copy shows in the original. States that refer to memory (maps,
	// slices, pointers) need it, or a method Clone() S; without either they are not cached. See the package comment.
	Clone func(S) S
}

// Stream names the stream of the aggregate with this key.
func (t Type[S]) Stream(key string) string { return eventstore.Category{Name: t.Name}.Stream(key) }

// Schema describes the type's events to the store.
func (t Type[S]) Schema() eventstore.Category {
	events := make(map[string]any, len(t.Events))
	for name, event := range t.Events {
		events[name] = event
	}
	return eventstore.Category{Name: t.Name, Events: events, Old: t.Old, Codec: t.Codec}
}
