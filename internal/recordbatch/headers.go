package recordbatch

import (
	"encoding/binary"
	"iter"
)

// Headers is a view of a record's encoded headers: for each a varint key length, the key, a varint value length (-1 is null), the value.
// Whoever hands out Headers has validated them, so reading them cannot fail.
type Headers struct {
	raw   []byte
	count int
}

// ParseHeaders gives a view of count encoded headers. The errors are those of [ValidateHeaders].
func ParseHeaders(raw []byte, count int) (Headers, error) {
	if err := ValidateHeaders(raw, count); err != nil {
		return Headers{}, err
	}
	return Headers{raw: raw, count: count}, nil
}

// ValidateHeaders reports [ErrCorrupt] unless raw is exactly count encoded headers.
func ValidateHeaders(raw []byte, count int) error {
	at := 0
	for i := range max(count, 0) {
		begin := at
		if _, _, at = header(raw, begin); at == 0 {
			return corrupt(begin, "header %d of %d is malformed", i+1, count)
		}
	}
	if count < 0 || at != len(raw) {
		return corrupt(at, "%d headers end there, %d bytes were given", count, len(raw))
	}
	return nil
}

// AppendHeader appends one encoded header to dst. A nil value is null.
func AppendHeader(dst []byte, key string, value []byte) []byte {
	dst = binary.AppendVarint(dst, int64(len(key)))
	dst = append(dst, key...)
	return appendBytesField(dst, value)
}

// Len is the number of headers.
func (h Headers) Len() int { return h.count }

// Raw is the encoded form: what [ParseHeaders] takes, together with Len.
func (h Headers) Raw() []byte { return h.raw }

// All yields keys and values in their order. A null value is nil.
func (h Headers) All() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		at := 0
		for range h.count {
			var key, value []byte
			if key, value, at = header(h.raw, at); !yield(key, value) {
				return
			}
		}
	}
}

// Get returns the value of the first header with the key, and whether there is one.
func (h Headers) Get(key string) ([]byte, bool) {
	at := 0
	for range h.count {
		var k, v []byte
		if k, v, at = header(h.raw, at); string(k) == key {
			return v, true
		}
	}
	return nil, false
}

// header reads the header that begins at raw[at]. next is 0 when it is malformed: unlike a value, a key is never null.
func header(raw []byte, at int) (key, value []byte, next int) {
	if key, at = bytesField(raw, at); at == 0 || key == nil {
		return nil, nil, 0
	}
	value, next = bytesField(raw, at)
	return key, value, next
}
