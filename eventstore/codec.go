package eventstore

import "encoding/json"

// Codec turns event data into bytes and back. It is used from many goroutines. A category that has come to another codec still reads what
// it wrote as JSON.
type Codec interface {
	// ContentType names the format in the record's header; empty stands for JSON.
	ContentType() string
	// Encode returns memory that the codec leaves alone from then on.
	Encode(v any) ([]byte, error)
	// Decode fills what v points to. data must not be kept or changed.
	Decode(data []byte, v any) error
}

// JSON is the default codec.
type JSON struct{}

// ContentType is empty: a record without the header is JSON.
func (JSON) ContentType() string { return "" }

// Encode writes v as JSON.
func (JSON) Encode(v any) ([]byte, error) { return json.Marshal(v) }

// Decode reads JSON.
func (JSON) Decode(data []byte, v any) error { return json.Unmarshal(data, v) }
