package groups

import (
	"cmp"
	"slices"
)

// Record is one record of the groups topic. A nil value deletes the key.
type Record struct{ Key, Value []byte }

// records encodes what changed.
func (t *turn) records() []Record {
	type row struct {
		key   key
		value []byte
	}
	var rows []row
	name := t.group.name
	switch {
	case t.stored && (t.fresh || t.moved()):
		rows = append(rows, row{key{group: name}, encodeGroup(t.epoch, t.numbers)})
	case !t.stored && t.group.stored:
		rows = append(rows, row{key{group: name}, nil})
	}
	for id, m := range t.members {
		k := key{group: name, kind: kindMember, id: id}
		if m != nil {
			rows = append(rows, row{k, m.encode()})
		} else if t.group.members[id] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	for id, topic := range t.topics {
		k := key{group: name, kind: kindTopic, id: id}
		if topic != nil {
			rows = append(rows, row{k, topic.encode()})
		} else if t.group.topics[id] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	for p, c := range t.commits {
		k := key{group: name, kind: kindOffset, id: p.Topic, part: p.Partition}
		if c != nil {
			rows = append(rows, row{k, c.encode()})
		} else if t.group.offsets[p] != nil {
			rows = append(rows, row{k, nil})
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.key.kind, b.key.kind), Partition{a.key.id, a.key.part}.compare(Partition{b.key.id, b.key.part}))
	})
	records := make([]Record, len(rows))
	for i, r := range rows {
		records[i] = Record{Key: []byte(r.key.String()), Value: r.value}
	}
	return records
}
