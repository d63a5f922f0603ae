package eventstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/strandlog/strand/commitlog"
)

// Cursor is a place in a whole topic: the next offset of each partition. The zero value is the beginning of any topic.
type Cursor struct {
	Topic   string
	TopicID uuid.UUID
	LogID   uuid.UUID
	Next    []int64 // by partition
}

// cursorAt is the cursor of a topic with given next offsets.
func cursorAt(t commitlog.Topic, next []int64) Cursor {
	return Cursor{Topic: t.Name, TopicID: t.ID, LogID: t.LogID, Next: next}
}

// IsZero says whether the cursor is the beginning of any topic.
func (c Cursor) IsZero() bool { return c.Topic == "" && len(c.Next) == 0 }

// After returns the cursor moved behind an event. It shares nothing with c.
func (c Cursor) After(p Position) Cursor {
	next := slices.Clone(c.Next)
	if n := int(p.Partition) + 1; n > len(next) {
		next = append(next, make([]int64, n-len(next))...)
	}
	next[p.Partition] = max(next[p.Partition], p.Offset+1)
	return Cursor{Topic: p.Topic, TopicID: p.TopicID, LogID: p.LogID, Next: next}
}

// Has says whether an event lies before the cursor.
func (c Cursor) Has(p Position) bool {
	return int(p.Partition) < len(c.Next) && p.Offset < c.Next[p.Partition]
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
func (c Cursor) String() string {
	var b strings.Builder
	b.WriteString(c.Topic)
	b.WriteByte('@')
	for i, n := range c.Next {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	return b.String()
}

// MarshalText writes the whole cursor.
func (c Cursor) MarshalText() ([]byte, error) {
	if c.IsZero() {
		return nil, nil
	}
	return fmt.Appendf(nil, "%s:%s:%s", c, c.TopicID, c.LogID), nil
}

const cursorForm = "topic@offset,offset,…:topic id:log id"

// UnmarshalText reads what MarshalText wrote.
func (c *Cursor) UnmarshalText(text []byte) error {
	*c = Cursor{}
	if len(text) == 0 {
		return nil
	}
	d, err := parseCursor(string(text))
	if err != nil {
		return err
	}
	*c = d
	return nil
}

func parseCursor(text string) (c Cursor, err error) {
	fail := func() (Cursor, error) { return Cursor{}, malformed("cursor", text, cursorForm) }
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return fail()
	}
	topic, offsets, at := strings.Cut(parts[0], "@")
	if !at || commitlog.CheckTopic(topic) != nil || strings.Count(offsets, ",") >= partitionsMax {
		return fail()
	}
	c.Topic = topic
	if offsets != "" {
		for o := range strings.SplitSeq(offsets, ",") {
			n, err := strconv.ParseUint(o, 10, 63)
			if err != nil {
				return fail()
			}
			c.Next = append(c.Next, int64(n))
		}
	}
	if c.TopicID, c.LogID, err = parseIDs(parts[1], parts[2]); err != nil {
		return fail()
	}
	return c, nil
}
