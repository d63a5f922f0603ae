package groups

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// member is one member of a group. Only Apply and the timers below change it: a turn changes a copy.
type member struct {
	id        uuid.UUID
	number    uint64 // names it in the group's topics, and orders members by seniority; never used again by the group
	epoch     uint64 // of the group when what the member has, or has to give up, changed last
	instance  string // "": it is none that comes back
	former    uuid.UUID
	away      bool // it said that it comes back under its instance's name, and holds nothing until then
	client    string
	host      string
	session   time.Duration
	rebalance time.Duration
	topics    []uuid.UUID // ascending

	size int // of its record

	// Timers are this coordinator's own: a failover restarts them in full.
	heard time.Time
	asked time.Time // when the first of the partitions that it still has to give up was asked back; zero: there is none
}

// deadline is when the member is taken for dead.
func (m *member) deadline() time.Time {
	at := m.heard.Add(m.session)
	if !m.asked.IsZero() {
		if late := m.asked.Add(m.rebalance); late.Before(at) {
			return late
		}
	}
	return at
}

func (m *member) subscribes(topic uuid.UUID) bool {
	_, ok := slices.BinarySearchFunc(m.topics, topic, compareIDs)
	return ok
}

// The value of a member's record: number, epoch, instance, the member that it replaced (if it is an instance), away, client, host, session and
// rebalance timeout in ms, number of topics, the topics' ids.
func (m *member) encode() []byte {
	b := binary.AppendUvarint([]byte{format}, m.number)
	b = binary.AppendUvarint(b, m.epoch)
	if b = appendText(b, m.instance); m.instance != "" {
		b = append(b, m.former[:]...)
		b = appendBool(b, m.away)
	}
	b = appendText(b, m.client)
	b = appendText(b, m.host)
	b = binary.AppendUvarint(b, uint64(m.session.Milliseconds()))
	b = binary.AppendUvarint(b, uint64(m.rebalance.Milliseconds()))
	b = binary.AppendUvarint(b, uint64(len(m.topics)))
	for _, id := range m.topics {
		b = append(b, id[:]...)
	}
	return b
}

func decodeMember(id uuid.UUID, b []byte) (*member, error) {
	d := decode("member", b)
	m := &member{id: id, number: d.uvarint("number", epochMax), epoch: d.uvarint("epoch", epochMax), instance: d.text("instance", NameBytesMax)}
	if m.instance != "" {
		if reason, ok := checkName(m.instance); !ok {
			d.fail("instance", reason)
		}
		m.former, m.away = d.uuid("former"), d.bool("away")
	}
	m.client, m.host = d.text("client", TextBytesMax), d.text("host", TextBytesMax)
	m.session = d.timeout("session timeout", SessionTimeoutMin, SessionTimeoutMax)
	m.rebalance = d.timeout("rebalance timeout", RebalanceTimeoutMin, RebalanceTimeoutMax)
	m.topics = make([]uuid.UUID, d.count("topics", TopicsMax, len(id)))
	for i := range m.topics {
		m.topics[i] = d.uuid("topic")
		if i > 0 && compareIDs(m.topics[i-1], m.topics[i]) >= 0 {
			d.fail("topic", "the topics do not ascend")
		}
	}
	return m, d.end()
}

// applyMember keeps the timers of a member that was there before.
func (g *group) applyMember(id uuid.UUID, value []byte, size int) (grown int, err error) {
	old := g.members[id]
	if old != nil {
		grown = -old.size
	}
	if value == nil {
		delete(g.members, id)
		return grown, nil
	}
	m, err := decodeMember(id, value)
	if err != nil {
		return 0, err
	}
	if old != nil {
		m.heard, m.asked = old.heard, old.asked
	}
	m.size = size
	g.members[id] = m
	return grown + size, nil
}

func (d *decoder) timeout(field string, min, max time.Duration) time.Duration {
	v := time.Duration(d.uvarint(field, uint64(max.Milliseconds()))) * time.Millisecond
	if v < min {
		d.fail(field, fmt.Sprintf("%v is less than %v", v, min))
	}
	return v
}
