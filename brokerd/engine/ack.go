package engine

import (
	"encoding/json"
	"errors"
	"fmt"
)

var (
	// ErrWrongLastSeq is an [AckError] by which the fence refused: another sequence came before. Whoever published it,
	// it does not prove that the message is not stored.
	ErrWrongLastSeq = errors.New("wrong last sequence")

	// ErrAck is returned for an acknowledgement that cannot be understood.
	ErrAck = errors.New("bad acknowledgement of the engine")
)

const codeWrongLastSeq = 10071

// Ack is the engine's verdict on one published message.
type Ack struct {
	Stream    string
	Seq       uint64
	Duplicate bool      // never so for a message of this package; then it is not the ack of what was published
	Err       *AckError // set when the engine refused; Seq is then 0
}

// AckError is the engine's refusal of a message.
type AckError struct {
	Status      int // like an HTTP status
	Code        int // the engine's own code
	Description string
}

func (e *AckError) Error() string {
	return fmt.Sprintf("engine refused the message: %s (code %d)", e.Description, e.Code)
}

// Is makes errors.Is(err, ErrWrongLastSeq) true for the fence's refusal.
func (e *AckError) Is(target error) bool {
	return target == ErrWrongLastSeq && e.Code == codeWrongLastSeq
}

// ParseAck reads the payload of a message that arrived on a reply subject of [Publisher.Publish].
// An empty payload is the notice that no engine stream took the message. All errors are ErrAck.
func ParseAck(data []byte) (Ack, error) {
	if len(data) == 0 {
		return Ack{}, fmt.Errorf("%w: it is empty, no engine stream took the message", ErrAck)
	}
	var a struct {
		Error *struct {
			Status      int    `json:"code"`
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
		Stream    string `json:"stream"`
		Seq       uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return Ack{}, fmt.Errorf("%w: %w", ErrAck, err)
	}
	if a.Error != nil {
		return Ack{Stream: a.Stream, Err: &AckError{Status: a.Error.Status, Code: a.Error.Code, Description: a.Error.Description}}, nil
	}
	if a.Stream == "" || a.Seq == 0 {
		return Ack{}, fmt.Errorf("%w: it names no stream or no sequence", ErrAck)
	}
	return Ack{Stream: a.Stream, Seq: a.Seq, Duplicate: a.Duplicate}, nil
}
