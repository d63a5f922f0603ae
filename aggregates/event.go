package aggregates

// Event is a fact about an aggregate with state S. Evolve is the only place where state changes: it may write, and it cannot refuse,
// because what it tells has happened.
//
// An event is a value: give Evolve a value receiver. Evolve must depend on nothing but the event and the state, since it runs again
// at every load; what it takes from a clock or a random source, Decide must have put into the event.
type Event[S any] interface {
	Evolve(state *S)
}
