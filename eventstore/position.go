package eventstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// Position is the place of one event. Its short form, events/3@1207, is for people; its text form holds all of it and survives JSON and
// an HTTP header.
type Position struct {
	Topic     string
	TopicID   uuid.UUID
	LogID     uuid.UUID
	Partition int32
	Offset    int64
	Epoch     uint64 // of the leader that answered
}

// ErrUnreachable is the answer to a position or cursor of another topic or log: it can never be reached here.
var ErrUnreachable = errors.New("eventstore: unreachable position")

// UnreachableError says where a position or cursor belongs and where it was used. It is an ErrUnreachable.
type UnreachableError struct {
	At   string // the position or cursor
	Here string // the topic that it was used with
	Why  string
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s can never be reached in topic %q: %s", e.At, e.Here, e.Why)
}

// Is makes errors.Is(err, ErrUnreachable) true.
func (e *UnreachableError) Is(target error) bool { return target == ErrUnreachable }

// ErrText is the answer to a text that is no position or cursor.
var ErrText = errors.New("eventstore: malformed position")

func malformed(what, text, form string) error {
	return fmt.Errorf("%w: %q is no %s: the form is %s", ErrText, text, what, form)
}

// IsZero says whether the position is none.
func (p Position) IsZero() bool { return p == Position{} }

// String is the short form.
func (p Position) String() string {
	return p.Topic + "/" + strconv.Itoa(int(p.Partition)) + "@" + strconv.FormatInt(p.Offset, 10)
}

// MarshalText writes the whole position.
func (p Position) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, nil
	}
	return fmt.Appendf(nil, "%s:%d:%s:%s", p, p.Epoch, p.TopicID, p.LogID), nil
}

const positionForm = "topic/partition@offset, or the same with :epoch:topic id:log id"

// UnmarshalText reads the whole form and the short one, whose ids stay zero: it is then known by the topic's name alone.
func (p *Position) UnmarshalText(text []byte) error {
	*p = Position{}
	if len(text) == 0 {
		return nil
	}
	q, err := parsePosition(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

func parsePosition(text string) (p Position, err error) {
	fail := func() (Position, error) { return Position{}, malformed("position", text, positionForm) }
	parts := strings.Split(text, ":")
	topic, rest, slash := strings.Cut(parts[0], "/")
	partition, offset, at := strings.Cut(rest, "@")
	if !slash || !at || commitlog.CheckTopic(topic) != nil || len(parts) != 1 && len(parts) != 4 {
		return fail()
	}
	p.Topic = topic
	n, err := strconv.ParseUint(partition, 10, 31)
	if err != nil {
		return fail()
	}
	p.Partition = int32(n)
	o, err := strconv.ParseUint(offset, 10, 63)
	if err != nil {
		return fail()
	}
	p.Offset = int64(o)
	if len(parts) == 1 {
		return p, nil
	}
	if p.Epoch, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
		return fail()
	}
	if p.TopicID, p.LogID, err = parseIDs(parts[2], parts[3]); err != nil {
		return fail()
	}
	return p, nil
}

func parseIDs(topic, log string) (t, l uuid.UUID, err error) {
	if t, err = parseID(topic); err != nil {
		return t, l, err
	}
	l, err = parseID(log)
	return t, l, err
}

// parseID takes the canonical form alone: one text for one position.
func parseID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err == nil && id.String() != s {
		err = ErrText
	}
	return id, err
}

// Check says whether a position can ever be reached in a topic. Error: ErrUnreachable.
func (p Position) Check(t commitlog.Topic) error {
	why := foreign(p.Topic, p.TopicID, p.LogID, t)
	if why == "" && int(p.Partition) >= len(t.Partitions) {
		why = fmt.Sprintf("it has %d partitions", len(t.Partitions))
	}
	if why == "" {
		return nil
	}
	return &UnreachableError{At: p.String(), Here: t.Name, Why: why}
}

// foreign says why something of one topic does not belong to another, or nothing.
func foreign(name string, topicID, logID uuid.UUID, t commitlog.Topic) string {
	switch {
	case name != t.Name:
		return fmt.Sprintf("it is of topic %q", name)
	case topicID != uuid.Nil && topicID != t.ID:
		return "the topic was deleted and created again since"
	case logID != uuid.Nil && logID != t.LogID:
		return "the log was restored from a backup since"
	}
	return ""
}
