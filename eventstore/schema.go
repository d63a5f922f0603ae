package eventstore

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Schema describes the events of one category. [Category] is one; aggregates.Type is another.
type Schema interface{ Schema() Category }

// Category is a kind of stream and the events that it may hold.
type Category struct {
	Name   string         // lower-case letters, digits and '_'
	Events map[string]any // name on the log, without the category → zero value of the event's type
	Old    Old
	Codec  Codec // default JSON
}

// Schema returns the category itself.
func (c Category) Schema() Category { return c }

// Stream is the name of a stream of the category.
func (c Category) Stream(key string) string { return c.Name + "-" + key }

// ErrSchema is the answer of Open to a schema that contradicts itself or another.
var ErrSchema = errors.New("eventstore: invalid schema")

// SchemaError says what is wrong with a schema and how to mend it. It is an ErrSchema.
type SchemaError struct {
	Category string
	Event    string // name without the category; may be empty
	Reason   string
}

func (e *SchemaError) Error() string {
	switch {
	case e.Category == "" && e.Event == "":
		return e.Reason
	case e.Event == "":
		return fmt.Sprintf("category %q: %s", e.Category, e.Reason)
	}
	return fmt.Sprintf("category %q, event %q: %s", e.Category, e.Event, e.Reason)
}

// Is makes errors.Is(err, ErrSchema) true.
func (e *SchemaError) Is(target error) bool { return target == ErrSchema }

// registry is what the schemas of a store amount to. It does not change after Open.
type registry struct {
	categories map[string]bool
	byName     map[string]*reader       // full name on the log, old ones included
	byType     map[reflect.Type]*writer // by Go type
	names      map[reflect.Type]string  // the same, names alone
	readAs     map[string][]string      // full name that is written → old ones that are read as it
}

// reader decodes the events of one name.
type reader struct {
	name string
	codec
	raw  bool // it reads bytes of any content type
	read func(c Codec, data []byte) (any, error)
}

// codec is a category's codec and what it calls its format.
type codec struct {
	Codec
	contentType string
}

// writer encodes the events of one Go type.
type writer struct {
	codec
	name     string // category.name
	category string
	headers  []commitlog.Header // name and content type, for every event's record; not to be written to
	read     func(c Codec, data []byte) (any, error)
}

func newWriter(c Category, codec codec, name string, read func(Codec, []byte) (any, error)) *writer {
	w := &writer{codec: codec, name: name, category: c.Name, read: read, headers: []commitlog.Header{{Key: wire.HeaderType, Value: []byte(name)}}}
	if codec.contentType != "" {
		w.headers = append(w.headers, commitlog.Header{Key: wire.HeaderContentType, Value: []byte(codec.contentType)})
	}
	w.headers = slices.Clip(w.headers)
	return w
}

// encode returns the bytes to store and the event as it is to be answered.
func (w *writer) encode(data any, readBack bool) (value []byte, seen any, failed *CodecError) {
	fail := func(doing string, cause error) *CodecError {
		return &CodecError{Type: w.name, GoType: reflect.TypeOf(data).String(), Doing: doing, Cause: cause}
	}
	value, err := w.Encode(data)
	if err != nil {
		return nil, nil, fail("encoding", err)
	}
	if !readBack {
		return value, data, nil
	}
	if seen, err = w.read(w.Codec, value); err != nil {
		return nil, nil, fail("reading back", err)
	}
	return value, seen, nil
}

func newRegistry(schemas []Schema) (*registry, error) {
	r := &registry{categories: map[string]bool{}, byName: map[string]*reader{}, byType: map[reflect.Type]*writer{}, names: map[reflect.Type]string{}, readAs: map[string][]string{}}
	for _, s := range schemas {
		if s == nil {
			return nil, &SchemaError{Reason: "a schema is nil"}
		}
		if err := r.add(s.Schema()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *registry) add(c Category) error {
	switch {
	case !validName(c.Name, ""):
		return &SchemaError{Category: c.Name, Reason: "a category is named in lower-case letters, digits and '_', beginning with a letter"}
	case r.categories[c.Name]:
		return &SchemaError{Category: c.Name, Reason: "two schemas describe this category: put all its events into one"}
	}
	r.categories[c.Name] = true
	if c.Codec == nil {
		c.Codec = JSON{}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Events)) {
		if err := r.addEvent(c, name, c.Events[name]); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Old)) {
		if err := r.addOld(c, name, c.Old[name]); err != nil {
			return err
		}
	}
	return nil
}

func (r *registry) addEvent(c Category, name string, event any) error {
	refuse := func(format string, args ...any) error {
		return &SchemaError{Category: c.Name, Event: name, Reason: fmt.Sprintf(format, args...)}
	}
	t := reflect.TypeOf(event)
	switch {
	case !validName(name, "-."):
		return refuse("a name consists of lower-case letters, digits, '_', '-' and '.', beginning with a letter")
	case t == nil:
		return refuse("the value is nil: give the event's zero value, such as Deposited{}")
	case t.Kind() == reflect.Pointer:
		return refuse("%s is a pointer, and events are values: write %s{} instead of &%s{}", t, t.Elem(), t.Elem())
	case r.byType[t] != nil && r.byType[t].category == c.Name:
		return refuse("%s is written under the name %q already: keep one name, and list the other in Old as eventstore.Renamed(%s{})", t, r.byType[t].name, t)
	case r.byType[t] != nil:
		return refuse("%s is written under the name %q already: a type belongs to one category, so define another one here", t, r.byType[t].name)
	}
	full := c.Name + "." + name
	codec, read := codec{c.Codec, c.Codec.ContentType()}, decoderOf(t)
	r.byName[full] = &reader{codec: codec, name: full, read: read}
	r.byType[t] = newWriter(c, codec, full, read)
	r.names[t] = full
	return nil
}

func (r *registry) addOld(c Category, name string, u Upcast) error {
	full := c.Name + "." + name
	refuse := func(format string, args ...any) error {
		return &SchemaError{Category: c.Name, Event: name, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case !validName(name, "-."):
		return refuse("a name consists of lower-case letters, digits, '_', '-' and '.', beginning with a letter")
	case r.byName[full] != nil:
		return refuse("the name stands in Events and in Old: an old name is not written any more")
	case u.to == nil || u.read == nil:
		return refuse("the upcast is empty: use Renamed, From or FromRaw, with an event or a function")
	case u.to.Kind() == reflect.Pointer:
		return refuse("it is read as the pointer %s, and events are values: read it as %s", u.to, u.to.Elem())
	case r.byType[u.to] == nil || r.byType[u.to].category != c.Name:
		return refuse("it is read as %s, which is not among the category's Events: add it there", u.to)
	}
	r.byName[full] = &reader{codec: codec{c.Codec, c.Codec.ContentType()}, name: full, raw: u.raw, read: u.read}
	today := r.names[u.to]
	r.readAs[today] = append(r.readAs[today], full)
	return nil
}
