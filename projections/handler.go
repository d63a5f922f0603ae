package projections

import (
	"context"
	"reflect"

	"github.com/strandlog/strand/eventstore"
)

// Handler is what a projection does with the events of one Go type. [Fold], [FoldBy], [On] and [OnBatch] make one.
type Handler[T any] struct {
	event reflect.Type

	// Folds name the row of an event before any handler runs, so that the rows of a whole commit are loaded at once.
	key  func(eventstore.Event) string
	load func(ctx context.Context, tx T, keys []string) error

	// One of the two is set.
	one  func(ctx context.Context, tx T, e eventstore.Event) error
	many func(ctx context.Context, tx T, events []eventstore.Event) error
}

// Fold changes the row of the event's stream: its key is the stream's key ("alice" for account-alice).
func Fold[Row, E any](fn func(row *Row, e eventstore.Recorded[E])) Handler[*Rows[Row]] {
	return FoldBy(func(e eventstore.Recorded[E]) string { return e.Stream.Key() }, fn)
}

// FoldBy changes the row that key names. An event with the empty key belongs to no row and is left out.
func FoldBy[Row, E any](key func(eventstore.Recorded[E]) string, fn func(row *Row, e eventstore.Recorded[E])) Handler[*Rows[Row]] {
	keyOf := func(e eventstore.Event) string { return key(as[E](e)) }
	return Handler[*Rows[Row]]{
		event: reflect.TypeFor[E](),
		key:   keyOf,
		load: func(ctx context.Context, rows *Rows[Row], keys []string) error {
			return rows.Load(ctx, keys...)
		},
		one: func(ctx context.Context, rows *Rows[Row], e eventstore.Event) error {
			name := keyOf(e)
			if name == "" {
				return nil
			}
			row, err := rows.Row(ctx, name)
			if err != nil {
				return err
			}
			fn(row, as[E](e))
			return nil
		},
	}
}

// On calls fn for every event of type E, with the transaction that also moves the checkpoint. fn writes through tx and has no
// other effects: it may be called again for the same event after a commit that failed.
func On[T, E any](fn func(ctx context.Context, tx T, e eventstore.Recorded[E]) error) Handler[T] {
	return Handler[T]{
		event: reflect.TypeFor[E](),
		one: func(ctx context.Context, tx T, e eventstore.Event) error {
			return fn(ctx, tx, as[E](e))
		},
	}
}

// OnBatch calls fn once per commit with all its events of type E, in order, after the other handlers had all events of
// the commit. How many events a commit has depends on load alone.
func OnBatch[T, E any](fn func(ctx context.Context, tx T, events []eventstore.Recorded[E]) error) Handler[T] {
	return Handler[T]{
		event: reflect.TypeFor[E](),
		many: func(ctx context.Context, tx T, events []eventstore.Event) error {
			typed := make([]eventstore.Recorded[E], len(events))
			for i, e := range events {
				typed[i] = as[E](e)
			}
			return fn(ctx, tx, typed)
		},
	}
}

// as gives e with its data as an E. The worker has looked the handler up by the type of the data, so it is one.
func as[E any](e eventstore.Event) eventstore.Recorded[E] {
	typed, _ := eventstore.As[E](e)
	return typed
}
