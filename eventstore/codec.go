package eventstore

import "encoding/json"

// Codec turns event data into bytes and back. It is used from many goroutines.
type Codec interface {
	// ContentType names the format in the record's header; empty stands for JSON.
	ContentType() string
	Encode(v any) ([]byte, error)
	// Decode fills what v points to. data must not be kept.
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
