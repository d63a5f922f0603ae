package groups

import (
	"errors"
	"fmt"
)

// The identities of refusals.
var (
	ErrInvalid         = errors.New("invalid request")
	ErrLimit           = errors.New("limit reached")
	ErrUnknownGroup    = errors.New("unknown group")
	ErrGroupNotEmpty   = errors.New("group has members")
	ErrUnknownMember   = errors.New("unknown member")                 // it left, or it was not heard for too long: it stops everything and joins under a new id
	ErrFencedMember    = errors.New("member is fenced")               // it does not hold the partition, or not under this assignment epoch
	ErrFencedInstance  = errors.New("another member took over")       // the instance's name is in use: two processes have the same, or this one was replaced
	ErrOffsetBackwards = errors.New("offset is below the committed")  // only a reset goes backwards
	ErrOutOfOrder      = errors.New("a later commit was stored")      // this one was overtaken and has no effect
	ErrBusy            = errors.New("the group's last turn is open")  // a bug of the caller: nothing was decided
	ErrCorrupt         = errors.New("the group's records contradict") // what was replayed is no state that turns lead to
)

// RefusedError says why a request was refused. It had no effect. Kind is one of the identities above.
type RefusedError struct {
	Kind   error
	Group  string
	Reason string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("group %q: %v: %s", e.Group, e.Kind, e.Reason)
}

// Unwrap makes errors.Is true for the kind.
func (e *RefusedError) Unwrap() error { return e.Kind }
