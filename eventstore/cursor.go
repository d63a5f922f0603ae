package eventstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
	"github.com/strandlog/strand/internal/wire"
)

// Cursor is a place in a whole topic: the next offset of each partition. The zero value is the beginning of any topic.
type Cursor struct {
	Topic   string
	TopicID uuid.UUID
	LogID   uuid.UUID
	Next    []int64 // by partition; those that are missing are 0
}

// cursorAt is the cursor of a topic with given next offsets.
func cursorAt(t commitlog.Topic, next []int64) Cursor {
	return Cursor{Topic: t.Name, TopicID: t.ID, LogID: t.LogID, Next: next}
}

// IsZero says whether the cursor is the beginning of any topic.
func (c Cursor) IsZero() bool { return c.Topic == "" && len(c.Next) == 0 }

// After returns the cursor moved behind an event. It shares nothing with c. What c knows of another topic or log, it forgets: behind the event
// of a topic that was created again, all its other events are yet to be read. A position that no topic can have moves nothing.
func (c Cursor) After(p Position) Cursor {
	next := slices.Clone(c.Next)
	if !p.possible() {
		c.Next = next
		return c
	}
	if c.Topic != p.Topic || differ(c.TopicID, p.TopicID) || differ(c.LogID, p.LogID) {
		c, next = Cursor{}, nil
	}
	if n := int(p.Partition) + 1; n > len(next) {
		next = append(next, make([]int64, n-len(next))...)
	}
	next[p.Partition] = max(next[p.Partition], p.Offset+1)
	return Cursor{Topic: p.Topic, TopicID: known(c.TopicID, p.TopicID), LogID: known(c.LogID, p.LogID), Next: next}
}

// differ compares ids that are both known.
func differ(a, b uuid.UUID) bool { return a != uuid.Nil && b != uuid.Nil && a != b }

func known(a, b uuid.UUID) uuid.UUID {
	if a != uuid.Nil {
		return a
	}
	return b
}

// Has says whether an event lies before the cursor, provided that both are of the same topic.
func (c Cursor) Has(p Position) bool {
	return p.Partition >= 0 && int(p.Partition) < len(c.Next) && p.Offset < c.Next[p.Partition]
}

// Check says whether a cursor can ever be reached in a topic. Error: ErrUnreachable.
func (c Cursor) Check(t commitlog.Topic) error {
	if c.IsZero() {
		return nil
	}
	why := foreign(c.Topic, c.TopicID, c.LogID, t)
	if why == "" && len(c.Next) > len(t.Partitions) {
		why = fmt.Sprintf("it has %d partitions", len(t.Partitions))
	}
	if why == "" {
		return nil
	}
	return &UnreachableError{At: "cursor " + c.String(), Here: t.Name, Why: why}
}

// String is the short form, events@12,0,7.
func (c Cursor) String() string { return string(c.appendTo(nil)) }

func (c Cursor) appendTo(b []byte) []byte {
	b = append(append(b, c.Topic...), '@')
	for i, n := range c.Next {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return b
}

// MarshalText writes the whole cursor; nothing for the zero value.
func (c Cursor) MarshalText() ([]byte, error) {
	if c.IsZero() {
		return []byte{}, nil
	}
	possible := len(c.Next) <= wire.PartitionsMax && !slices.ContainsFunc(c.Next, func(n int64) bool { return n < 0 })
	if !possible || commitlog.CheckTopic(c.Topic) != nil {
		return nil, &TextError{What: "cursor", Text: c.String(), Form: cursorForm}
	}
	return fmt.Appendf(c.appendTo(nil), ":%s:%s", c.TopicID, c.LogID), nil
}

// UnmarshalText reads what MarshalText wrote. Error: ErrText.
func (c *Cursor) UnmarshalText(text []byte) error {
	*c = Cursor{}
	if len(text) == 0 {
		return nil
	}
	d, ok := parseCursor(text)
	if !ok {
		return &TextError{What: "cursor", Text: string(text), Form: cursorForm}
	}
	*c = d
	return nil
}

const cursorForm = "topic@offset,offset,…:topic id:log id"

// cursorBytesMax bounds the text form: a topic, a number for each partition, two ids and what stands between them.
const cursorBytesMax = wire.TopicBytesMax + 20*wire.PartitionsMax + 2*uuidBytes + 3

func parseCursor(text []byte) (c Cursor, ok bool) {
	if len(text) > cursorBytesMax {
		return c, false
	}
	place, ids, _ := strings.Cut(string(text), ":")
	topic, offsets, at := strings.Cut(place, "@")
	if !at || commitlog.CheckTopic(topic) != nil || strings.Count(offsets, ",") >= wire.PartitionsMax {
		return c, false
	}
	c.Topic = topic
	if offsets != "" {
		for offset := range strings.SplitSeq(offsets, ",") {
			n, ok := parseNumber(offset, 63)
			if !ok {
				return c, false
			}
			c.Next = append(c.Next, int64(n))
		}
	}
	c.TopicID, c.LogID, ok = parseIDs(ids)
	return c, ok
}
