package postgres

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
)

// column is a field of a row, or the row itself if that is no struct.
type column struct {
	name  string // not quoted
	typ   string // in PostgreSQL
	field []int  // nil: the row itself
	kind  columnKind
}

// columnKind is how a value gets to PostgreSQL and back.
type columnKind uint8

const (
	asBool columnKind = iota
	asInt
	asFloat
	asText
	asBytes
	asTime
	asUUID
	asJSON // whatever else
)

// typ is the kind's type in PostgreSQL.
func (k columnKind) typ() string {
	types := [...]string{
		asBool: "boolean", asInt: "bigint", asFloat: "double precision", asText: "text", asBytes: "bytea", asTime: "timestamptz", asUUID: "uuid", asJSON: "jsonb",
	}
	return types[k]
}

// The columns of every table.
const (
	keyColumn   = "key"
	stampColumn = "_stamp" // of the commit that wrote the row last
)

// columnsOf says how the rows of a type are stored.
func columnsOf(row reflect.Type) ([]column, error) {
	if kind := kindOf(row); row.Kind() != reflect.Struct || kind != asJSON {
		return whole(kind), nil
	}
	var columns []column
	seen := map[string]bool{keyColumn: true, stampColumn: true}
	for _, f := range reflect.VisibleFields(row) {
		tag := f.Tag.Get("db")
		if !f.IsExported() || tag == "-" || f.Anonymous && f.Type.Kind() == reflect.Struct || len(f.Index) > 1 && !promoted(row, f.Index) {
			continue
		}
		c := column{name: tag, field: f.Index, kind: kindOf(f.Type)}
		if c.name == "" {
			c.name = snake(f.Name)
		}
		c.typ = c.kind.typ()
		switch {
		case seen[c.name]:
			return nil, fmt.Errorf("postgres: field %s of %v: the table has another column %q: give the field a tag such as `db:\"other\"`", f.Name, row, c.name)
		case checkText(c.name) != nil:
			return nil, fmt.Errorf("postgres: field %s of %v: %q is no name of a column: %w", f.Name, row, c.name, checkText(c.name))
		case len(c.name) > identifierBytesMax:
			return nil, fmt.Errorf("postgres: field %s of %v: column %q is longer than the %d bytes of a PostgreSQL name: give the field a tag `db:\"…\"`", f.Name, row, c.name, identifierBytesMax)
		}
		seen[c.name] = true
		columns = append(columns, c)
	}
	switch {
	case len(columns) > 0 || row.NumField() == 0:
		return columns, nil
	case reflect.PointerTo(row).Implements(reflect.TypeFor[json.Unmarshaler]()), reflect.PointerTo(row).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return whole(asJSON), nil
	default:
		return nil, fmt.Errorf("postgres: %v has no field that a column could be made of: export those that are to be kept, or give it MarshalJSON and UnmarshalJSON", row)
	}
}

// whole is the one column of rows that are kept in one piece.
func whole(kind columnKind) []column {
	return []column{{name: "value", typ: kind.typ(), kind: kind}}
}

// promoted says whether a field is reached through structs alone: behind a pointer there may be none.
func promoted(row reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if row = row.Field(i).Type; row.Kind() != reflect.Struct {
			return false
		}
	}
	return true
}

func kindOf(t reflect.Type) columnKind {
	switch t {
	case reflect.TypeFor[time.Time]():
		return asTime
	case reflect.TypeFor[uuid.UUID]():
		return asUUID
	case reflect.TypeFor[[]byte]():
		return asBytes
	}
	switch t.Kind() {
	case reflect.Bool:
		return asBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return asInt
	case reflect.Float32, reflect.Float64:
		return asFloat
	case reflect.String:
		return asText
	}
	return asJSON
}

// snake writes a Go name as PostgreSQL's are written: UserID is user_id.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) {
			if i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) && runes[i-1] != '_' {
				b.WriteByte('_')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// of is the column's place in a row.
func (c *column) of(row reflect.Value) reflect.Value {
	if c.field == nil {
		return row
	}
	return row.FieldByIndex(c.field)
}

// values are those of one column in a batch of rows, as PostgreSQL's driver takes an array.
type values struct {
	column *column
	bools  []bool
	ints   []int64
	floats []float64
	texts  []string
	bytes  [][]byte
	times  []time.Time
	uuids  [][16]byte
}

// add appends a row's value. A text that PostgreSQL cannot hold is refused.
func (v *values) add(row reflect.Value) error {
	field := v.column.of(row)
	switch v.column.kind {
	case asBool:
		v.bools = append(v.bools, field.Bool())
	case asInt:
		if field.CanUint() {
			v.ints = append(v.ints, int64(field.Uint()))
		} else {
			v.ints = append(v.ints, field.Int())
		}
	case asFloat:
		v.floats = append(v.floats, field.Float())
	case asText:
		text := field.String()
		if err := checkText(text); err != nil {
			return fmt.Errorf("column %q: %w", v.column.name, err)
		}
		v.texts = append(v.texts, text)
	case asBytes:
		v.bytes = append(v.bytes, field.Bytes())
	case asTime:
		v.times = append(v.times, field.Interface().(time.Time))
	case asUUID:
		v.uuids = append(v.uuids, field.Interface().(uuid.UUID))
	case asJSON:
		text, err := json.Marshal(field.Addr().Interface()) // its methods may be those of a pointer
		if err != nil {
			return fmt.Errorf("column %q: %w", v.column.name, err)
		}
		if escapesNUL(text) {
			return fmt.Errorf("column %q: %w", v.column.name, errNUL)
		}
		v.texts = append(v.texts, string(text))
	}
	return nil
}

// escapesNUL says whether a text in JSON holds a NUL, which is always escaped. A backslash that is one itself is no escape.
func escapesNUL(text []byte) bool {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(text[i+1:], []byte("u0000")) {
			return true
		}
		i++ // what is escaped
	}
	return false
}

// array is what was added.
func (v *values) array() any {
	switch v.column.kind {
	case asBool:
		return v.bools
	case asInt:
		return v.ints
	case asFloat:
		return v.floats
	case asBytes:
		return v.bytes
	case asTime:
		return v.times
	case asUUID:
		return v.uuids
	default:
		return v.texts
	}
}

// scan gives a place for the driver to put a value, and a function that then puts it into the row.
func (c *column) scan(row reflect.Value) (into any, put func() error) {
	field := c.of(row)
	switch c.kind {
	case asJSON:
		var text []byte
		return &text, func() error { return json.Unmarshal(text, field.Addr().Interface()) }
	case asInt:
		var n int64
		return &n, func() error {
			if field.CanUint() {
				field.SetUint(uint64(n))
			} else {
				field.SetInt(n)
			}
			return nil
		}
	case asFloat:
		var f float64
		return &f, func() error { field.SetFloat(f); return nil }
	case asText:
		var s string
		return &s, func() error { field.SetString(s); return nil }
	case asBool:
		var b bool
		return &b, func() error { field.SetBool(b); return nil }
	case asUUID:
		var id [16]byte
		return &id, func() error { field.Set(reflect.ValueOf(uuid.UUID(id))); return nil }
	case asTime:
		var t time.Time
		return &t, func() error { field.Set(reflect.ValueOf(t.UTC())); return nil }
	default:
		return field.Addr().Interface(), func() error { return nil }
	}
}
