package commitlog

import (
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
