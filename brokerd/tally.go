package main

import (
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/strandlog/strand/commitlog"
)

// tally counts what became of records, by partition.
type tally struct {
	failed chan struct{} // closed by the first record that is not delivered

	mu         sync.Mutex
	records    int64
	partitions map[int32]*stored
	lost       bool
}

// stored is what a partition got. Others may have records between the first and the last.
type stored struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Records   int64  `json:"records"`
	First     *int64 `json:"firstOffset"` // nil: not known
	Last      *int64 `json:"lastOffset"`
}

func newTally() *tally { return &tally{failed: make(chan struct{}), partitions: map[int32]*stored{}} }

// told takes the outcome of one record.
func (t *tally) told(d commitlog.Delivery, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if !t.lost {
			t.lost = true
			close(t.failed)
		}
		return
	}
	t.records++
	p := t.partitions[d.Partition]
	if p == nil {
		p = &stored{Partition: d.Partition}
		t.partitions[d.Partition] = p
	}
	p.Records++
	if d.Offset < 0 {
		return
	}
	if p.First == nil {
		p.First, p.Last = new(d.Offset), new(d.Offset)
	}
	*p.First, *p.Last = min(*p.First, d.Offset), max(*p.Last, d.Offset)
}

func (t *tally) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.records
}

// write answers with what every partition got.
func (t *tally) write(w io.Writer, topic string, f format) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := newTable(w, right("PARTITION"), right("RECORDS"), right("FIRST"), right("LAST"))
	for _, partition := range slices.Sorted(maps.Keys(t.partitions)) {
		p := t.partitions[partition]
		p.Topic = topic
		if f.json() {
			if err := writeJSON(w, p); err != nil {
				return err
			}
			continue
		}
		first, last := any("-"), any("-")
		if p.First != nil {
			first, last = *p.First, *p.Last
		}
		rows.row(p.Partition, p.Records, first, last)
	}
	if f.json() || t.records == 0 {
		return nil
	}
	return rows.flush()
}
