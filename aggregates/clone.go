package aggregates

import (
	"reflect"
	"time"
)

// cloner returns how states of this type are copied so that nothing written through the copy shows in the original, or nil when
// there is no safe way: S refers to memory that an assignment shares, and nobody said how to copy that.
func cloner[S any](explicit func(S) S) func(S) S {
	if explicit != nil {
		return explicit
	}
	if _, ok := any(new(S)).(interface{ Clone() S }); ok {
		return func(s S) S {
			return any(&s).(interface{ Clone() S }).Clone()
		}
	}
	if selfContained(reflect.TypeFor[S]()) {
		return func(s S) S { return s }
	}
	return nil
}

// selfContained reports whether an assignment copies all of a value that can be written to.
func selfContained(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return true
	case reflect.Array:
		return t.Len() == 0 || selfContained(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() { // its *Location is never written to
			return true
		}
		for field := range t.Fields() {
			if !selfContained(field.Type) {
				return false
			}
		}
		return true
	default:
		return false
	}
}
