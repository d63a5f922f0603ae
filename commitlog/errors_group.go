package commitlog

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/strandlog/strand/internal/wire"
)

// The identities of the errors of consumer groups, for errors.Is. All come as a *GroupError but ErrDecode, which is a *DecodeError.
var (
	ErrUnknownGroup  = errors.New("commitlog: no such group")
	ErrGroupNotEmpty = errors.New("commitlog: the group has members")
	ErrGroupLimit    = errors.New("commitlog: a limit of groups is reached")
	ErrInstanceTaken = errors.New("commitlog: another process took the member's instance name")
	ErrStopTimeout   = errors.New("commitlog: the work on a partition did not end in time")
	ErrDecode        = errors.New("commitlog: a record's value cannot be decoded")

	// errMembership: the group does not have the member any more.
	errMembership = errors.New("commitlog: the member is not in the group any more")
)

// GroupError is a refusal of a group's coordinator: what was asked for had no effect, unless the kind is ErrIndefinite.
type GroupError struct {
	Group  string
	Kind   error // one of the identities above, ErrInvalid or ErrIndefinite
	Reason string
}

func (e *GroupError) Error() string { return fmt.Sprintf("commitlog: group %q: %s", e.Group, e.Reason) }

// Unwrap makes errors.Is true for the kind.
func (e *GroupError) Unwrap() error { return e.Kind }

// groupError is the refusal that an answer carries, nil when it is none.
func groupError(group string, code wire.Code, detail string) error {
	kind, ok := map[wire.Code]error{
		wire.UnknownGroup: ErrUnknownGroup, wire.GroupNotEmpty: ErrGroupNotEmpty, wire.GroupLimit: ErrGroupLimit, wire.FencedInstance: ErrInstanceTaken,
		wire.Invalid: ErrInvalid, wire.UnknownMember: errMembership, wire.FencedMember: errMembership,
	}[code]
	if !ok {
		return nil
	}
	return &GroupError{Group: group, Kind: kind, Reason: detail}
}

// DecodeError names a record whose value is not what it should be. Its partition stands there: correct the decoder, or reset the group's offset to
// the record behind it.
type DecodeError struct {
	Topic     string
	Partition int32
	Offset    int64
	Cause     error
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("commitlog: topic %q, partition %d, offset %d: the value cannot be decoded: %v", e.Topic, e.Partition, e.Offset, e.Cause)
}

// Is reports whether target is ErrDecode.
func (e *DecodeError) Is(target error) bool { return target == ErrDecode }

func (e *DecodeError) Unwrap() error { return e.Cause }

// stopTimeoutError says that a function did not return after its context had ended.
type stopTimeoutError struct {
	group, topic string
	partition    int32
	id           uuid.UUID
}

func (e *stopTimeoutError) Error() string {
	return fmt.Sprintf("commitlog: group %q: the work on partition %d of topic %q went on after its context had ended: the group took the partition from member %s, and nothing that was done since is committed",
		e.group, e.partition, e.topic, e.id)
}

// Is reports whether target is ErrStopTimeout.
func (e *stopTimeoutError) Is(target error) bool { return target == ErrStopTimeout }
