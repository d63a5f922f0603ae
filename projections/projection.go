package projections

import (
	"context"
	"fmt"
	"reflect"

	"github.com/strandlog/strand/eventstore"
)

// Projection makes a read model out of events. It is a value without state: any number of workers may run it on any sinks.
type Projection[T any] struct {
	name     string
	version  int
	handlers []Handler[T]
	setup    func(context.Context, T) error
}

// Define gives version 1 of a projection. Handlers of one event run in the order in which they are listed.
// What is wrong with a definition is reported when it is run.
func Define[T any](name string, handlers ...Handler[T]) *Projection[T] {
	return &Projection[T]{name: name, version: 1, handlers: handlers}
}

// Version gives the projection with another version, counted from 1. Raise it when handlers change in a way that needs the
// read model to be built again: each version has its own rows and checkpoints.
func (p *Projection[T]) Version(n int) *Projection[T] {
	q := *p
	q.version = n
	return &q
}

// Setup gives the projection with a function that creates what the handlers write to, such as tables. It runs once per
// version, before the first event.
func (p *Projection[T]) Setup(fn func(ctx context.Context, tx T) error) *Projection[T] {
	q := *p
	q.setup = fn
	return &q
}

// ID is the projection's name and version.
func (p *Projection[T]) ID() ID { return ID{Name: p.name, Version: p.version} }

// byType checks the definition against the events that store knows and gives the handlers of each Go type.
func (p *Projection[T]) byType(store *eventstore.Store) (map[reflect.Type][]Handler[T], error) {
	invalid := func(format string, args ...any) error {
		return &InvalidError{Projection: p.name, Reason: fmt.Sprintf(format, args...)}
	}
	if !validName(p.name) {
		return nil, invalid("the name must be letters, digits, '.', '_' and '-', at most 100 bytes, beginning with a letter or a digit")
	}
	if p.version < 1 {
		return nil, invalid("version %d: versions count from 1", p.version)
	}
	if len(p.handlers) == 0 {
		return nil, invalid("it has no handlers: give Define at least one Fold, FoldBy, On or OnBatch")
	}
	handlers := make(map[reflect.Type][]Handler[T])
	for _, h := range p.handlers {
		switch {
		case h.event == nil:
			return nil, invalid("a handler is empty: make handlers with Fold, FoldBy, On or OnBatch")
		case h.event.Kind() == reflect.Pointer:
			return nil, invalid("a handler takes %s: events are values, take %s", h.event, h.event.Elem())
		}
		if _, ok := store.Names()[h.event]; !ok {
			return nil, invalid("no schema of the store has the event %s: give eventstore.Open the category that does", h.event)
		}
		handlers[h.event] = append(handlers[h.event], h)
	}
	return handlers, nil
}

// validName keeps names fit for schema names, file names and metrics.
func validName(name string) bool {
	for i, c := range []byte(name) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 100
}
