package groups

import "fmt"

// DecodeError says why a record of the groups topic is not what it should be.
type DecodeError struct {
	Record string // which kind of record
	Field  string
	Pos    int // byte position at which Field begins
	Reason string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("groups: %s record: %s at byte %d: %s", e.Record, e.Field, e.Pos, e.Reason)
}
