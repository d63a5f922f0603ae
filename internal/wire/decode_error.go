package wire

import "fmt"

// DecodeError says why a payload is not the message it should be. Nothing of such a message may be used.
type DecodeError struct {
	Message string // type of the message, such as AppendRequest
	Field   string
	Pos     int // byte position in the payload at which Field begins
	Reason  string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("wire: %s: %s at byte %d: %s", e.Message, e.Field, e.Pos, e.Reason)
}
