package groups

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// ledger is the partition of the groups topic, in RAM.
type ledger struct {
	records []Record
	given   map[string]given // the newest assignment of each partition of each group, for ever
}

type given struct {
	epoch, owner uint64
	ended        bool
}

func newLedger() *ledger { return &ledger{given: map[string]given{}} }

func (l *ledger) end() int64 { return int64(len(l.records)) }

// latest is what a cleaned table holds: the newest record of each key, in some order.
func (l *ledger) latest() []Record {
	newest := map[string]Record{}
	for _, r := range l.records {
		newest[string(r.Key)] = r
	}
	keys := slices.Sorted(maps.Keys(newest))
	slices.Reverse(keys) // offsets and members come before their group
	var table []Record
	for _, k := range keys {
		if r := newest[k]; r.Value != nil {
			table = append(table, r)
		}
	}
	return table
}

func replay(records []Record) (*Coordinator, error) {
	c := New(Limits{})
	for _, r := range records {
		if err := c.Apply(r); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// verify holds what is true after every transition.
func (l *ledger) verify(c *Coordinator) error {
	state := dump(c)
	for name, records := range map[string][]Record{"a replay": l.records, "a replay of the cleaned table": l.latest()} {
		again, err := replay(records)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got := dump(again); got != state {
			return fmt.Errorf("%s comes to\n%s\ninstead of\n%s", name, got, state)
		}
		if again.bytes != c.bytes {
			return fmt.Errorf("%s takes %d bytes, the coordinator counts %d", name, again.bytes, c.bytes)
		}
	}
	for _, g := range c.groups {
		if g.vacant() {
			return fmt.Errorf("group %s is empty and still there", g.name)
		}
		if !g.stored && g.busy {
			continue
		}
		if err := l.verifyGroup(g); err != nil {
			return fmt.Errorf("%w\n%s", err, state)
		}
	}
	return nil
}

func (l *ledger) verifyGroup(g *group) error {
	if err := g.check(); err != nil {
		return err
	}
	if g.epoch > uint64(l.end()) {
		return fmt.Errorf("group %s is at epoch %d, its log ends at %d: a later group of its name could use its epochs again", g.name, g.epoch, l.end())
	}
	away := map[uint64]bool{}
	for _, m := range g.members {
		away[m.number] = m.away
	}
	wanted := map[uuid.UUID]bool{}
	for _, m := range g.members {
		for _, id := range m.topics {
			wanted[id] = true
		}
	}
	for _, t := range g.topics {
		for p, s := range t.slots {
			var wrong string
			switch {
			case s.owner == 0 && s.target != 0 && !away[s.target]:
				wrong = "is nobody's, and was not given to its target"
			case s.owner != 0 && away[s.owner]:
				wrong = "belongs to a member that is away"
			case wanted[t.id] && s.target == 0:
				wrong = "has subscribers and no target"
			default:
				continue
			}
			return fmt.Errorf("partition %d of topic %s %s: %+v", p, t.id, wrong, s)
		}
	}
	return nil
}

// append stores records. Epochs of assignments must rise, for ever.
func (l *ledger) append(records []Record) error {
	l.records = append(l.records, records...)
	for _, r := range records {
		k, err := parseKey(string(r.Key))
		if err != nil {
			return err
		}
		if k.kind != kindTopic || r.Value == nil {
			continue
		}
		t, err := decodeTopic(k.id, r.Value)
		if err != nil {
			return err
		}
		for p, s := range t.slots {
			where := fmt.Sprintf("%s/%s/%d", k.group, k.id, p)
			last := l.given[where]
			if s.owner == 0 {
				last.ended = true
				l.given[where] = last
				continue
			}
			if same := s.epoch == last.epoch && s.owner == last.owner && !last.ended; !same && s.epoch <= last.epoch {
				return fmt.Errorf("%s: assigned to %d under epoch %d, after %+v", where, s.owner, s.epoch, last)
			}
			l.given[where] = given{epoch: s.epoch, owner: s.owner}
		}
	}
	return nil
}

// dump writes out all that is durable.
func dump(c *Coordinator) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[name]
		if !g.stored && len(g.members)+len(g.topics)+len(g.offsets) == 0 {
			continue // its first turn is open
		}
		fmt.Fprintf(&b, "group %s: stored=%t epoch=%d numbers=%d\n", name, g.stored, g.epoch, g.numbers)
		for _, m := range bySeniority(maps.Values(g.members)) {
			fmt.Fprintf(&b, "  member %s %x\n", m.id, m.encode())
		}
		for _, t := range g.sortedTopics() {
			fmt.Fprintf(&b, "  topic %s %x\n", t.id, t.encode())
		}
		for _, p := range slices.SortedFunc(maps.Keys(g.offsets), Partition.compare) {
			fmt.Fprintf(&b, "  offset %s/%d %x\n", p.Topic, p.Partition, g.offsets[p].encode())
		}
	}
	return b.String()
}

// named draws the id of a member or topic from its name.
func named(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }
