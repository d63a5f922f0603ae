package scenario

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strandlog/strand/aggregates"
)

// Outcome is what a command decided. Its checks may be chained.
type Outcome[S any] struct {
	t       TB
	history History[S]
	events  []aggregates.Event[S]
	err     error
}

// Then checks that exactly these events were decided, in this order.
func (o Outcome[S]) Then(events ...aggregates.Event[S]) Outcome[S] {
	o.t.Helper()
	if o.err != nil {
		o.t.Fatalf("refused with %q, want %s", o.err, list(events))
	}
	if len(events) == 0 && len(o.events) == 0 {
		return o
	}
	if diff := diff(events, o.events); diff != "" {
		o.t.Fatalf("decided other events (-want +got):\n%s", diff)
	}
	return o
}

// ThenNothing checks that the command was accepted and that no event followed from it.
func (o Outcome[S]) ThenNothing() Outcome[S] {
	o.t.Helper()
	if o.err != nil {
		o.t.Fatalf("refused with %q, want no events and no error", o.err)
	}
	if len(o.events) > 0 {
		o.t.Fatalf("decided %s, want no events", list(o.events))
	}
	return o
}

// ThenError checks that the command was refused with this error: one that wraps it (as [errors.Is] says) or wraps one of the
// same type with equal fields.
func (o Outcome[S]) ThenError(want error) Outcome[S] {
	o.t.Helper()
	switch {
	case want == nil:
		o.t.Fatalf("ThenError(nil) checks nothing: use ThenNothing or Then")
	case o.err == nil:
		o.t.Fatalf("decided %s, want the error %q", list(o.events), want)
	case !errors.Is(o.err, want) && !wrapsEqual(o.err, want):
		o.t.Fatalf("refused with another error (-want +got):\n- %T: %v\n+ %T: %v", want, want, o.err, o.err)
	}
	return o
}

// ThenState checks the state that the history and the decided events lead to; after a refusal that is the history's.
func (o Outcome[S]) ThenState(want S) Outcome[S] {
	o.t.Helper()
	if diff := diff(want, o.history.fold(o.events...)); diff != "" {
		o.t.Fatalf("the state afterwards is another (-want +got):\n%s", diff)
	}
	return o
}

// wrapsEqual reports whether err's tree holds an error of want's type that looks the same inside.
func wrapsEqual(err, want error) bool {
	if err == nil {
		return false
	}
	if reflect.TypeOf(err) == reflect.TypeOf(want) && !isOpaque(want) && diff(want, err) == "" {
		return true
	}
	switch wrapper := err.(type) { //nolint:errorlint // it looks at each error of the tree by itself
	case interface{ Unwrap() error }:
		return wrapsEqual(wrapper.Unwrap(), want)
	case interface{ Unwrap() []error }:
		for _, inner := range wrapper.Unwrap() {
			if wrapsEqual(inner, want) {
				return true
			}
		}
	}
	return false
}

// isOpaque reports whether err was made by errors.New or fmt.Errorf: two of those are different errors even when they read the same.
func isOpaque(err error) bool {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath() == "errors" || t.PkgPath() == "fmt"
}

func list[S any](events []aggregates.Event[S]) string {
	if len(events) == 0 {
		return "no events"
	}
	text := make([]string, len(events))
	for i, e := range events {
		text[i] = fmt.Sprintf("%T%+v", e, e)
	}
	return strings.Join(text, ", ")
}

// diff compares values of the user's own types: all their fields count, and a NaN equals a NaN.
func diff(want, got any) string {
	return cmp.Diff(want, got, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateNaNs())
}
