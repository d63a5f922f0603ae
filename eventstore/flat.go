package eventstore

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// flat reads what encoding/json writes of one struct type, in one pass and without its general machinery: most events are a few strings and numbers,
// and a replay reads a great many of them. It either reads exactly what json.Unmarshal would, or declines: then json.Unmarshal is asked.
type flat struct {
	fields []flatField // in the order in which they are written
}

// flatField is a field and how its value is read.
type flatField struct {
	key   string // as it is written: "name":
	index int
	read  func(b []byte, field reflect.Value) (rest []byte, ok bool)
}

// newFlat returns nil for a type that encoding/json may treat in a way that flat does not know.
func newFlat(t reflect.Type) *flat {
	if t.Kind() != reflect.Struct || hasMethods(t) {
		return nil
	}
	f := &flat{}
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case field.Anonymous || slices.Contains(strings.Split(options, ","), "string"):
			return nil
		case !field.IsExported() || tag == "-":
			continue
		case name == "":
			name = field.Name
		}
		key, read := `"`+name+`":`, valueReader(field.Type)
		taken := slices.ContainsFunc(f.fields, func(other flatField) bool { return strings.EqualFold(other.key, key) })
		if read == nil || taken || strings.ContainsFunc(name, unusual) {
			return nil
		}
		f.fields = append(f.fields, flatField{key: key, index: i, read: read})
	}
	return f
}

// unusual are the runes for which encoding/json has rules of its own when they stand in a name.
func unusual(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// hasMethods says whether a type reads itself.
func hasMethods(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// decode reads an object into a struct that is zero. Where it declines the struct may hold some of the values already.
func (f *flat) decode(data []byte, into reflect.Value) bool {
	rest, ok := f.object(data, into)
	return ok && len(rest) == 0
}

func (f *flat) object(b []byte, into reflect.Value) (rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '{' {
		return nil, false
	}
	if b[1] == '}' {
		return b[2:], true
	}
	separator := byte('{')
	for i := range f.fields {
		field := &f.fields[i]
		if b[0] != separator || len(b) <= len(field.key)+1 || string(b[1:1+len(field.key)]) != field.key {
			continue // it was left out, being empty; or the next field does not match either
		}
		if b, ok = field.read(b[1+len(field.key):], into.Field(field.index)); !ok || len(b) == 0 {
			return nil, false
		}
		separator = ','
	}
	if b[0] != '}' {
		return nil, false
	}
	return b[1:], true
}

// valueReader returns nil for a type that flat leaves to encoding/json.
func valueReader(t reflect.Type) func([]byte, reflect.Value) ([]byte, bool) {
	switch {
	case t == reflect.TypeFor[json.Number]():
		return nil
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()):
		return readOwnJSON
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return readOwnText
	}
	switch t.Kind() {
	case reflect.String:
		return readString
	case reflect.Bool:
		return readBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return readInt
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return readUint
	case reflect.Float32, reflect.Float64:
		return readFloat
	case reflect.Struct:
		if f := newFlat(t); f != nil {
			return f.object
		}
	}
	return nil
}

func readString(b []byte, field reflect.Value) ([]byte, bool) {
	text, rest, ok := plainText(b)
	if ok {
		field.SetString(string(text))
	}
	return rest, ok
}

// readOwnText reads a type such as uuid.UUID.
func readOwnText(b []byte, field reflect.Value) ([]byte, bool) {
	text, rest, ok := plainText(b)
	if !ok {
		return nil, false
	}
	own, ok := reflect.TypeAssert[encoding.TextUnmarshaler](field.Addr())
	return rest, ok && own.UnmarshalText(text) == nil
}

// readOwnJSON reads a type such as time.Time, as far as it is written as a string.
func readOwnJSON(b []byte, field reflect.Value) ([]byte, bool) {
	_, rest, ok := plainText(b)
	if !ok {
		return nil, false
	}
	own, ok := reflect.TypeAssert[json.Unmarshaler](field.Addr())
	return rest, ok && own.UnmarshalJSON(b[:len(b)-len(rest)]) == nil
}

func readBool(b []byte, field reflect.Value) ([]byte, bool) {
	if rest, ok := bytes.CutPrefix(b, []byte("true")); ok {
		field.SetBool(true)
		return rest, true
	}
	return bytes.CutPrefix(b, []byte("false"))
}

func readInt(b []byte, field reflect.Value) ([]byte, bool) {
	n, whole := number(b)
	value, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if !whole || err != nil || field.OverflowInt(value) {
		return nil, false
	}
	field.SetInt(value)
	return b[n:], true
}

func readUint(b []byte, field reflect.Value) ([]byte, bool) {
	n, whole := number(b)
	value, err := strconv.ParseUint(string(b[:n]), 10, 64)
	if !whole || err != nil || field.OverflowUint(value) {
		return nil, false
	}
	field.SetUint(value)
	return b[n:], true
}

func readFloat(b []byte, field reflect.Value) ([]byte, bool) {
	n, _ := number(b)
	value, err := strconv.ParseFloat(string(b[:n]), field.Type().Bits())
	if err != nil {
		return nil, false
	}
	field.SetFloat(value)
	return b[n:], true
}

// number returns the length of the number that b begins with, 0 if it is none in JSON, and whether it is without fraction and exponent.
func number(b []byte) (n int, whole bool) {
	if len(b) > 0 && b[0] == '-' {
		n++
	}
	first := n
	n += digits(b[n:])
	if n == first || b[first] == '0' && n > first+1 {
		return 0, false
	}
	whole = true
	if n < len(b) && b[n] == '.' {
		whole = false
		more := digits(b[n+1:])
		if more == 0 {
			return 0, false
		}
		n += 1 + more
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		whole = false
		n++
		if n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		more := digits(b[n:])
		if more == 0 {
			return 0, false
		}
		n += more
	}
	return n, whole
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

// plainText returns what stands in the string that b begins with, and what follows it. It declines a string with escapes, and one that is not valid:
// encoding/json replaces invalid UTF-8 and refuses control characters.
func plainText(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 {
		return nil, nil, false
	}
	text = b[1 : 1+end]
	if bytes.IndexByte(text, '\\') >= 0 || hasControl(text) || !utf8.Valid(text) {
		return nil, nil, false
	}
	return text, b[end+2:], true
}

// hasControl looks for bytes below 0x20, eight at a time: those whose upper three bits are zero.
func hasControl(b []byte) bool {
	const upper, ones, highest = 0xE0E0E0E0E0E0E0E0, 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if x := binary.LittleEndian.Uint64(b) & upper; (x-ones)&^x&highest != 0 {
			return true
		}
	}
	for _, c := range b {
		if c < 0x20 {
			return true
		}
	}
	return false
}
