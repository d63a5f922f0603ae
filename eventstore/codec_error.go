package eventstore

import "fmt"

// CodecError names an event that its codec cannot write or, if [Write.ReadBack] asks for that, cannot read back. It is an ErrCodec; nothing is stored.
type CodecError struct {
	Stream StreamName
	Type   string // name on the log
	GoType string
	Doing  string // "encoding" or "reading back"
	Cause  error
}

func (e *CodecError) Error() string {
	return fmt.Sprintf("stream %q: %s %s (%s): %v", e.Stream, e.Doing, e.Type, e.GoType, e.Cause)
}

// Is makes errors.Is(err, ErrCodec) true.
func (e *CodecError) Is(target error) bool { return target == ErrCodec }

func (e *CodecError) Unwrap() error { return e.Cause }
