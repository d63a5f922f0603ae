package scenario

import (
	"github.com/strandlog/strand/aggregates"
)

// TB is what a scenario needs of a *testing.T.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// History is what happened before the command.
type History[S any] struct {
	t      TB
	events []aggregates.Event[S]
}

// Given begins a scenario with what happened before.
func Given[S any](t TB, events ...aggregates.Event[S]) History[S] {
	return History[S]{t: t, events: events}
}

// When begins a scenario of an aggregate that does not exist yet, with the command to decide.
func When[S any](t TB, cmd aggregates.Command[S]) Outcome[S] {
	t.Helper()
	return Given[S](t).When(cmd)
}

// When decides the command on the state that the history leads to.
func (h History[S]) When(cmd aggregates.Command[S]) Outcome[S] {
	h.t.Helper()
	state, untouched := h.fold(), h.fold()
	if diff := diff(untouched, state); diff != "" {
		h.t.Fatalf("the same events led to two states; Evolve must depend on nothing but the event and the state (-first +second):\n%s", diff)
	}
	events, err := cmd.Decide(state)
	if diff := diff(untouched, state); diff != "" {
		h.t.Fatalf("%T.Decide wrote to the state it was given; only Evolve may change state (-before +after):\n%s", cmd, diff)
	}
	return Outcome[S]{t: h.t, history: h, events: events, err: err}
}

// fold returns the state after the history and the events that follow it.
func (h History[S]) fold(following ...aggregates.Event[S]) S {
	var state S
	for _, e := range h.events {
		e.Evolve(&state)
	}
	for _, e := range following {
		e.Evolve(&state)
	}
	return state
}
