package projections

import (
	"reflect"
	"time"

	"github.com/strandlog/strand/eventstore"
)

// sizeOf estimates the bytes that an event holds in memory, to bound what is read ahead.
func sizeOf(e eventstore.Event) int {
	data := reflect.ValueOf(e.Data)
	return int(reflect.TypeFor[eventstore.Event]().Size()) + int(data.Type().Size()) + referred(data, sizeDepthMax)
}

// sizeDepthMax bounds the time that an estimate takes. What JSON makes is hardly ever deeper.
const sizeDepthMax = 10

// referred estimates the bytes that v refers to, without those of v itself.
func referred(v reflect.Value, depth int) int {
	if depth == 0 || v.Type() == reflect.TypeFor[time.Time]() {
		return 0
	}
	size := 0
	switch v.Kind() {
	case reflect.String:
		size = v.Len()
	case reflect.Slice:
		size = v.Len()*int(v.Type().Elem().Size()) + elements(v, depth)
	case reflect.Array:
		size = elements(v, depth)
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			size += int(v.Type().Key().Size()+v.Type().Elem().Size()) + referred(it.Key(), depth-1) + referred(it.Value(), depth-1)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			size = int(v.Elem().Type().Size()) + referred(v.Elem(), depth-1)
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			size += referred(field, depth-1)
		}
	default: // its owner has counted it
	}
	return size
}

// elements estimates what the elements of an array or a slice refer to.
func elements(v reflect.Value, depth int) int {
	switch v.Type().Elem().Kind() {
	case reflect.String, reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Struct:
	default:
		return 0 // numbers: nothing to walk through
	}
	size := 0
	for i := range v.Len() {
		size += referred(v.Index(i), depth-1)
	}
	return size
}
