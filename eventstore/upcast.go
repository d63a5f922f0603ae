package eventstore

import (
	"fmt"
	"reflect"
)

// Old lists names that are no longer written, without the category, and how to read what was written under them.
type Old map[string]Upcast

// Upcast reads the data of an old name as an event of today.
type Upcast struct {
	to   reflect.Type // the event of today
	raw  bool         // it reads what was stored, whatever codec wrote it
	read func(c Codec, data []byte) (any, error)
}

// Renamed reads data as an event that is written under another name today. Its argument is that event's zero value.
func Renamed(event any) Upcast {
	t := reflect.TypeOf(event)
	if t == nil {
		return Upcast{}
	}
	return Upcast{to: t, read: decoderOf(t)}
}

// From reads data as the old type and converts it.
func From[O, N any](convert func(O) (N, error)) Upcast {
	if convert == nil {
		return Upcast{}
	}
	return Upcast{to: reflect.TypeFor[N](), read: func(c Codec, data []byte) (any, error) {
		var old O
		if err := c.Decode(data, &old); err != nil {
			return nil, err
		}
		return convert(old)
	}}
}

// FromRaw converts the stored bytes themselves, which must not be kept or changed.
func FromRaw[N any](convert func(data []byte) (N, error)) Upcast {
	if convert == nil {
		return Upcast{}
	}
	return Upcast{to: reflect.TypeFor[N](), raw: true, read: func(_ Codec, data []byte) (any, error) { return convert(data) }}
}

// decoderOf reads data as values of a type.
func decoderOf(t reflect.Type) func(c Codec, data []byte) (any, error) {
	quick := newFlat(t)
	return func(c Codec, data []byte) (any, error) {
		v := reflect.New(t)
		if quick != nil && c == (JSON{}) && quick.decode(data, v.Elem()) {
			return v.Elem().Interface(), nil
		}
		if quick != nil {
			v.Elem().SetZero() // of what it may have read before it declined
		}
		if err := c.Decode(data, v.Interface()); err != nil {
			return nil, fmt.Errorf("decoding %s: %w", t, err)
		}
		return v.Elem().Interface(), nil
	}
}
