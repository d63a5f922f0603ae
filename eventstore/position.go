package eventstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Position is the place of one event. Its short form, events/3@1207, is for people; its text form holds all of it and survives JSON and
// an HTTP header.
type Position struct {
	Topic     string
	TopicID   uuid.UUID
	LogID     uuid.UUID
	Partition int32
	Offset    int64
	Epoch     uint64 // of the leader that answered: two positions of one event may differ in it
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

// IsZero says whether the position is none.
func (p Position) IsZero() bool { return p == Position{} }

// String is the short form.
func (p Position) String() string {
	return p.Topic + "/" + strconv.Itoa(int(p.Partition)) + "@" + strconv.FormatInt(p.Offset, 10)
}

// MarshalText writes the whole position; nothing for none.
func (p Position) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return []byte{}, nil
	}
	if commitlog.CheckTopic(p.Topic) != nil || !p.possible() {
		return nil, &TextError{What: "position", Text: p.String(), Form: positionForm}
	}
	return fmt.Appendf(nil, "%s:%d:%s:%s", p, p.Epoch, p.TopicID, p.LogID), nil
}

// possible says whether some topic could have the position.
func (p Position) possible() bool {
	return p.Partition >= 0 && p.Partition < wire.PartitionsMax && p.Offset >= 0
}

// UnmarshalText reads the whole form and the short one, whose ids stay zero: it is then known by the topic's name alone. Error: ErrText.
func (p *Position) UnmarshalText(text []byte) error {
	*p = Position{}
	if len(text) == 0 {
		return nil
	}
	q, ok := parsePosition(text)
	if !ok {
		return &TextError{What: "position", Text: string(text), Form: positionForm}
	}
	*p = q
	return nil
}

const positionForm = "topic/partition@offset, or the same with :epoch:topic id:log id"

// positionBytesMax bounds the whole form: a topic, three numbers, two ids and what stands between them.
const positionBytesMax = wire.TopicBytesMax + 3*20 + 2*uuidBytes + 5

func parsePosition(text []byte) (p Position, ok bool) {
	if len(text) > positionBytesMax {
		return p, false
	}
	place, rest, whole := strings.Cut(string(text), ":")
	topic, place, slash := strings.Cut(place, "/")
	partition, offset, at := strings.Cut(place, "@")
	if !slash || !at || commitlog.CheckTopic(topic) != nil {
		return p, false
	}
	p.Topic = topic
	n, partitionOK := parseNumber(partition, 31)
	o, offsetOK := parseNumber(offset, 63)
	p.Partition, p.Offset = int32(n), int64(o)
	if !partitionOK || !offsetOK || !p.possible() {
		return p, false
	}
	if !whole {
		return p, true
	}
	epoch, ids, _ := strings.Cut(rest, ":")
	if p.Epoch, ok = parseNumber(epoch, 64); !ok {
		return p, false
	}
	p.TopicID, p.LogID, ok = parseIDs(ids)
	return p, ok
}

// Check says whether a position can ever be reached in a topic. Error: ErrUnreachable.
func (p Position) Check(t commitlog.Topic) error {
	why := foreign(p.Topic, p.TopicID, p.LogID, t)
	if why == "" && (p.Partition < 0 || int(p.Partition) >= len(t.Partitions)) {
		why = fmt.Sprintf("it has %d partitions", len(t.Partitions))
	}
	if why == "" {
		return nil
	}
	return &UnreachableError{At: "position " + p.String(), Here: t.Name, Why: why}
}

// foreign says why something of one topic does not belong to another, or nothing. Ids that are not known are not compared.
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
