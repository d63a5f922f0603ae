package aggregates

// Command is an intent. Decide looks at the state and answers with the events that follow from it, with none when there is nothing
// to do, or with an error when the intent is refused.
//
// Decide may run several times for one [Repository.Handle], each time on newer state, and only its last answer counts:
// it has no effects, and it does not write to what the state refers to.
type Command[S any] interface {
	Decide(state S) ([]Event[S], error)
}
