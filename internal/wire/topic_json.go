package wire

import (
	"encoding/json"
	"fmt"
)

// AppendTo appends the request as JSON to dst.
func (m *TopicRequest) AppendTo(dst []byte) ([]byte, error) { return appendJSON(dst, m) }

// Decode reads a request.
func (m *TopicRequest) Decode(b []byte) error {
	*m = TopicRequest{}
	return decodeJSON("TopicRequest", b, TopicRequestBytesMax, m)
}

// AppendTo appends the response as JSON to dst.
func (m *TopicResponse) AppendTo(dst []byte) ([]byte, error) { return appendJSON(dst, m) }

// Decode reads a response.
func (m *TopicResponse) Decode(b []byte) error {
	*m = TopicResponse{}
	return decodeJSON("TopicResponse", b, PayloadBytesMax, m)
}

func appendJSON(dst []byte, m any) ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return dst, fmt.Errorf("wire: encoding %T: %w", m, err)
	}
	return append(dst, b...), nil
}

// decodeJSON accepts fields that it does not know: a newer peer may say more.
func decodeJSON(message string, b []byte, max int, m any) error {
	if len(b) > max {
		return &DecodeError{Message: message, Field: "payload", Reason: fmt.Sprintf("%d bytes exceed %d", len(b), max)}
	}
	if err := json.Unmarshal(b, m); err != nil {
		return &DecodeError{Message: message, Field: "payload", Reason: err.Error()}
	}
	return nil
}
