package commitlog

import (
	"errors"
	"fmt"

	"github.com/strandlog/strand/internal/wire"
)

// refusalError is an answer that says no. It becomes the cause of what the caller is told, or is forgotten when a later try succeeds.
type refusalError struct {
	code   wire.Code
	detail string
}

func refusal(code wire.Code, detail string) error { return &refusalError{code, detail} }

func (e *refusalError) Error() string {
	if e.detail == "" {
		return "the broker answered " + e.code.String()
	}
	return fmt.Sprintf("the broker answered %s: %s", e.code, e.detail)
}

// undecided says of what became of a request whether it may have had its effect all the same.
func undecided(err error) bool {
	if errors.Is(err, errUndelivered) || fatal(err) {
		return false
	}
	if refused, ok := errors.AsType[*refusalError](err); ok {
		switch refused.code {
		case wire.NotLeader, wire.Retry, wire.Overloaded, wire.NoStorage, wire.NotEnoughSync:
			return false
		}
	}
	return true
}
